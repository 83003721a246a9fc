/** How a server answered an attack: done, or refused with its own word for it. */
import { setTimeout as sleep } from 'node:timers/promises';

export type Answer =
  | { readonly request: string; readonly done: true }
  | { readonly request: string; readonly done: false; readonly code: string; readonly message: string };

/** There was no answer that says anything: the attack was not tried. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';

  constructor(request: string, cause: unknown) {
    super(`${request}: no answer that could be judged: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`, { cause });
  }
}

/** A request that must not be sent, because it would leave the scratch names. A defect of the drill, never an answer. */
export class OutsideScratch extends Error {
  override readonly name = 'OutsideScratch';
}

/** What AWS, MinIO, Ceph, Elasticsearch and kafkajs put on their errors, as far as it tells who refused. */
interface Told {
  readonly name?: string;
  readonly message?: string;
  /** Of kafkajs: the broker's code. */
  readonly type?: string;
  readonly cause?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  /** Of Elasticsearch. */
  readonly statusCode?: number;
  readonly body?: { readonly error?: { readonly type?: string; readonly reason?: string } };
}

const TRIES = 4;
const PAUSE_MS = 300;
const MAX_MESSAGE = 300;
/** The server is busy with something else: no word about the request. */
const PASSING = new Set(['OperationAborted', 'ConditionalRequestConflict', 'SlowDown', 'RequestTimeout', 'Throttling', 'ThrottlingException', 'TooManyRequestsException']);

/** Sends it; a passing failure is asked again. @throws Unanswered, OutsideScratch */
export async function answerTo(request: string, send: () => Promise<unknown>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      await send();
      return { request, done: true };
    } catch (error) {
      if (error instanceof OutsideScratch) throw error;
      const refusal = refusalIn(error);
      if (refusal !== undefined) return { request, done: false, ...refusal };
      if (tries === TRIES) throw new Unanswered(request, error);
      await sleep(PAUSE_MS * tries);
    }
  }
}

/** The refusal behind an error of the layers in between. @throws Unanswered if there is none */
export function refusalBehind(request: string, error: unknown): Answer {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 10; one = one.cause, depth++) {
    const refusal = refusalIn(one);
    if (refusal !== undefined) return { request, done: false, ...refusal };
  }
  throw new Unanswered(request, error);
}

/** The server's refusal; `undefined` for what is none (no connection, a server in trouble, a busy one). */
export function refusalIn(error: unknown): { readonly code: string; readonly message: string } | undefined {
  const { name = 'Error', message = '', $metadata, statusCode, body } = error as Told;
  const type = brokerCode(error);
  if (type !== undefined) return { code: type, message: short(message) };
  const status = $metadata?.httpStatusCode ?? statusCode;
  if (status === undefined || status < 300 || (status >= 500 && status !== 501) || status === 429 || PASSING.has(name)) return undefined;
  if (statusCode !== undefined) return { code: `${status} ${body?.error?.type ?? name}`, message: short(body?.error?.reason ?? message) };
  return { code: name, message: short(message) };
}

/** A code of the broker that says that it will not, and not that it can't now. */
function brokerCode(error: unknown): string | undefined {
  for (let one = error as Told | undefined, depth = 0; one instanceof Error && depth < 10; one = one.cause as Told | undefined, depth++) {
    const { type } = one as Told;
    if (typeof type === 'string' && /AUTHORIZATION_FAILED$|_DISABLED$|^(POLICY_VIOLATION|INVALID_REQUEST|INVALID_TOPIC_EXCEPTION|SECURITY_DISABLED|INVALID_RECORD)$/.test(type)) return type;
  }
  return undefined;
}

/** `AccessDenied: explicit deny in a resource-based policy`: the code, and what the server adds to it. */
export function textOf(answer: Answer): string {
  if (answer.done) return `${answer.request}: done`;
  const { request, code, message } = answer;
  return `${request}: ${code}${message === '' || message === code ? '' : `: ${message}`}`;
}

/** Who refused, of several answers: the refusals, each once. */
export function refusedBy(answers: readonly Answer[]): string {
  const told = answers.flatMap((answer) => (answer.done ? [] : [answer.message === '' || answer.message === answer.code || answer.message === 'UnknownError' ? answer.code : `${answer.code}: ${answer.message}`]));
  if (told.length === 0) return 'having no effect: the server answered that it was done, and nothing had changed';
  return [...new Set(told)].join('; ');
}

function short(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim().replace(/\.+$/, '');
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}
