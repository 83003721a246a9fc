/** Whether EventBridge would match an event with a pattern: as much of its language as policies/alarms.json speaks. */

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** @throws Error for what it does not know, so that no pattern is judged by halves */
export function matches(pattern: Json, event: Json | undefined): boolean {
  if (Array.isArray(pattern)) return (pattern as readonly Json[]).some((one) => matchesOne(one, event));
  if (typeof pattern !== 'object' || pattern === null) throw new Error(`a pattern holds lists and objects, not ${JSON.stringify(pattern)}`);
  return Object.entries(pattern).every(([name, inner]) => {
    if (name === '$or') return (inner as readonly Json[]).some((one) => matches(one, event));
    return matches(inner, typeof event === 'object' && event !== null ? (event as Readonly<Record<string, Json>>)[name] : undefined);
  });
}

function matchesOne(one: Json, found: Json | undefined): boolean {
  if (typeof one === 'string') return found === one;
  const [[kind, operand] = ['', null], ...more] = Object.entries(one as Readonly<Record<string, Json>>);
  if (more.length > 0) throw new Error(`one comparison expected, got ${JSON.stringify(one)}`);
  if (kind === 'exists') return (found !== undefined) === operand;
  if (kind !== 'anything-but') throw new Error(`unknown comparison ${kind}`);
  // What is not there is not "anything".
  if (typeof found !== 'string') return false;
  if (Array.isArray(operand)) return !operand.includes(found);
  const { prefix } = operand as { readonly prefix?: string };
  if (prefix === undefined) throw new Error(`anything-but: a list or a prefix expected, got ${JSON.stringify(operand)}`);
  return !found.startsWith(prefix);
}
