/** Small words of JSON Schema that the resources' schemas are written in. */
import type { JsonObject, JsonValue } from '../core/json.js';

export const chainIdSchema: JsonObject = { type: 'string', pattern: '^(?:[a-z0-9][a-z0-9._-]{0,99}|_[a-z0-9][a-z0-9._-]{0,98})$' };
export const entryIdSchema: JsonObject = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,127}$' };
export const sequenceSchema: JsonObject = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
export const hashSchema: JsonObject = { type: 'string', pattern: '^[0-9a-f]{64}$' };
export const timeSchema: JsonObject = { type: 'string', format: 'date-time' };

export function ref(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

export function arrayOf(items: JsonObject): JsonObject {
  return { type: 'array', items };
}

/** An object with exactly these members; all are required but those in `optional`. */
export function objectOf(properties: Readonly<Record<string, JsonValue>>, optional: readonly string[]): JsonObject {
  return { type: 'object', properties, required: Object.keys(properties).filter((name) => !optional.includes(name)), additionalProperties: false };
}
