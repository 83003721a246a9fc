/** All routes, in the order in which they are tried: fixed words before parameters. */
import type { AppOptions } from './app.js';
import { entryRoute, entryRoutes, existsRoute } from './entries.js';
import { proofRoutes } from './proofs.js';
import type { Route } from './route.js';

export function createRoutes({ appends }: AppOptions): Route[] {
  return [...entryRoutes(appends), entryRoute, existsRoute, ...proofRoutes];
}
