/** All routes, in the order in which they are tried: fixed words before parameters. */
import type { AppendHandlers } from './append.js';
import { chainsRoute } from './chains.js';
import { entryRoute, entryRoutes, existsRoute } from './entries.js';
import { exportRoutes } from './exports.js';
import { openapiRoute } from './openapi.js';
import { operationRoutes } from './operations.js';
import { proofRoutes } from './proofs.js';
import { reconciliationRoutes } from './reconciliations.js';
import type { Route } from './route.js';
import { searchRoute } from './search.js';
import type { StreamHub } from './stream-hub.js';
import { streamRoute } from './stream.js';
import { verificationRoutes } from './verification.js';

export function createRoutes(appends: AppendHandlers, streams: StreamHub, version: string): Route[] {
  const routes = [
    ...entryRoutes(appends),
    streamRoute(streams),
    entryRoute,
    existsRoute,
    ...proofRoutes,
    ...verificationRoutes,
    searchRoute,
    ...exportRoutes,
    ...reconciliationRoutes,
    chainsRoute,
    ...operationRoutes,
  ];
  return [...routes, openapiRoute(routes, version)];
}
