/**
 * A route: what it is called, what it takes, who may call it, what it answers. The Express application and
 * the OpenAPI document are both made from these, so neither can know a route that the other does not.
 */
import type { JsonObject } from '../core/json.js';
import type { HttpDeps, HttpLimits } from './deps.js';
import type { Exchange } from './exchange.js';
import type { Parameter, Parameters, ValuesOf } from './parameters.js';
import type { ProblemCode } from './problem-codes.js';

export type Access = 'public' | 'read' | 'append';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** As OpenAPI writes it: `/v1/chains/{chainId}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'Entries' | 'Proofs' | 'Verification' | 'Search and export' | 'Service';
  readonly access: Access;
  readonly pathParameters: Parameters;
  readonly queryParameters: Parameters;
  readonly headerParameters?: Readonly<Record<string, Parameter<unknown>>>;
  readonly body?: BodyDescription;
  /** By status. Problems are described by `problems`. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Those of this route alone; the common ones are added. */
  readonly problems: readonly ProblemCode[];
  readonly handle: (call: Call<Record<string, unknown>, Record<string, unknown>>) => void | Promise<void>;
}

export interface BodyDescription {
  readonly required: boolean;
  readonly content: Readonly<Record<string, JsonObject>>;
}

export interface Answer {
  readonly description: string;
  readonly content: Readonly<Record<string, JsonObject>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request whose path and query are checked and whose caller may make it. */
export interface Call<P, Q> {
  readonly exchange: Exchange;
  readonly path: P;
  readonly query: Q;
  readonly deps: HttpDeps;
  readonly limits: HttpLimits;
}

/** A route whose handler knows the types of its parameters. */
export function defineRoute<P extends Parameters, Q extends Parameters>(
  route: Omit<Route, 'pathParameters' | 'queryParameters' | 'handle'> & {
    readonly pathParameters: P;
    readonly queryParameters: Q;
    readonly handle: (call: Call<ValuesOf<P>, ValuesOf<Q>>) => void | Promise<void>;
  },
): Route {
  // Safe: app.ts reads the parameters by the very definitions that the handler's types are made from.
  return route as unknown as Route;
}
