/** The Express application: the routes of routes.ts, and what holds for all of them. */
import express from 'express';
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express';
import { authorize } from './access.js';
import type { AppendHandlers } from './append.js';
import type { HttpDeps, HttpLimits } from './deps.js';
import { Exchange } from './exchange.js';
import type { ExchangeContext } from './exchange.js';
import { readPath, readQuery } from './parameters.js';
import { Problem } from './problem.js';
import type { Route } from './route.js';
import { createRoutes } from './routes.js';
import type { StreamHub } from './stream-hub.js';

export interface AppOptions {
  readonly deps: HttpDeps;
  readonly limits: HttpLimits;
  readonly appends: AppendHandlers;
  readonly streams: StreamHub;
  readonly context: ExchangeContext;
}

export function createApp(options: AppOptions): Express {
  const { context } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);

  app.use((req, res, next) => {
    const exchange = new Exchange(req, res, context);
    res.locals['exchange'] = exchange;
    res.setHeader('x-content-type-options', 'nosniff');
    // RFC 9112 §3.2. HTTP/1.0 had no such header.
    if (req.headers.host === undefined && req.httpVersion === '1.1') throw new Problem('host_missing', 'HTTP/1.1 needs a Host header', { field: 'host' });
    next();
  });
  for (const [path, routes] of byPath(createRoutes(options.appends, options.streams, options.deps.version))) {
    const route = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const definition of routes) route[definition.method === 'GET' ? 'get' : 'post'](handlerOf(definition, options));
    route.all(otherMethods(path, routes));
  }
  app.use((req) => {
    throw new Problem('route_not_found', `there is nothing at ${JSON.stringify(req.path.slice(0, 200))}; /openapi.json lists what there is`);
  });
  app.use(onError);
  return app;
}

/** In the order of the table, in which a path stands before the patterns that match it too. */
function byPath(routes: readonly Route[]): Map<string, Route[]> {
  const paths = new Map<string, Route[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return paths;
}

function handlerOf(route: Route, { deps, limits }: AppOptions): RequestHandler {
  const { access, pathParameters, queryParameters } = route;
  return async (req, res) => {
    const exchange = exchangeOf(res);
    exchange.route = route.path;
    // Never 404: who asks the wrong process for an entry must not learn that there is none.
    if (access !== 'public' && deps.servesLog === false) throw new Problem('role_not_served', 'this process does not have the role api (INDELIBLE_ROLES): ask one that has it');
    // First who asks, then what: a stranger learns nothing about paths and parameters.
    if (access !== 'public') exchange.principal = authorize(deps.access, req.headers.authorization, access).name;
    const path = readPath(pathParameters, req.params);
    const query = readQuery(queryParameters, req.url);
    await exchange.traced(() => route.handle({ exchange, path, query, deps, limits }));
  };
}

function otherMethods(path: string, routes: readonly Route[]): RequestHandler {
  const allow = [...routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS'].join(', ');
  return (req, res) => {
    const exchange = exchangeOf(res);
    exchange.route = path;
    if (req.method !== 'OPTIONS') throw new Problem('method_not_allowed', `expected ${allow}`, { allow });
    exchange.send(204, ['allow', allow], '');
  };
}

function exchangeOf(res: Response): Exchange {
  return res.locals['exchange'] as Exchange;
}

// Express knows an error handler by its four parameters.
const onError: ErrorRequestHandler = (error: unknown, _req: Request, res, next) => {
  const exchange = res.locals['exchange'] as Exchange | undefined;
  if (exchange === undefined) {
    next(error);
    return;
  }
  // Express' own, for a path that does not decode.
  const malformed = error instanceof URIError;
  exchange.fail(malformed ? new Problem('path_invalid', 'the path is not validly percent-encoded UTF-8', { cause: error }) : error);
};
