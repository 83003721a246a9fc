import { readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Express } from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEvent } from '#indelible/core/event.js';
import type { JsonValue } from '#indelible/core/json.js';
import { createApp } from '#indelible/http/app.js';
import type { AppOptions } from '#indelible/http/app.js';
import { PROBLEMS } from '#indelible/http/problem-codes.js';
import type { OpenApi } from './support/contract.js';
import { TestServer } from './support/server.js';

let server: TestServer;
let document: OpenApi & { readonly info: { readonly version: string } };
beforeAll(async () => {
  server = await TestServer.start();
  document = (await server.send('GET', '/openapi.json', { token: null })).json as unknown as typeof document;
});
afterAll(() => server.close());

interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

/** `get /v1/chains/{chainId}` for all that Express really routes. */
function routed(): string[] {
  const app: Express = createApp({ deps: { version: 'x' }, limits: {}, appends: {}, streams: {}, context: {} } as unknown as AppOptions);
  return (app.router.stack as unknown as Layer[]).flatMap(({ route }) =>
    (route?.stack ?? []).flatMap(({ method }) => (method === undefined ? [] : [`${method} ${route!.path.replaceAll(/:(\w+)/g, '{$1}')}`])),
  );
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly description: string }[];
  readonly security: readonly unknown[];
  readonly responses: Readonly<Record<string, unknown>>;
}

function operations(): readonly { readonly name: string; readonly path: string; readonly operation: Described }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation: operation as unknown as Described })),
  );
}

describe('the OpenAPI document', () => {
  it('is of version 3.1 and of this service', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('0.0.0-test');
  });

  it('describes every route there is, and no other', () => {
    expect(operations().map(({ name }) => name).sort()).toEqual(routed().sort());
    expect(routed().length).toBeGreaterThan(20);
  });

  it('declares the parameters in each path, and each operation once', () => {
    for (const { name, path, operation } of operations()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(declared.map((parameter) => parameter.name), name).toEqual(inPath);
      expect(declared.every((parameter) => parameter.required)).toBe(true);
    }
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('says for each operation whether it needs a token, and the service does as it says', async () => {
    for (const { name, path, operation } of operations()) {
      const method = name.slice(0, name.indexOf(' ')).toUpperCase();
      const { status } = await server.send(method, path.replaceAll(/\{\w+\}/g, '0'), { token: null });
      expect(status === 401, name).toBe(operation.security.length > 0);
    }
  });

  it('holds schemas that a strict validator takes, and references that lead somewhere', () => {
    const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
    formats.default(ajv);
    ajv.addVocabulary(['openapi', 'info', 'tags', 'paths', 'components']);
    ajv.addSchema(document, 'openapi');
    for (const name of Object.keys(document.components.schemas)) ajv.compile({ $ref: `openapi#/components/schemas/${name}` });
    for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) expect(document.components.schemas).toHaveProperty(name!);
  });

  it('lists each problem code, and each code is some operation\'s', () => {
    const listed = (document.components.schemas['Problem'] as { properties: { code: { enum: string[] } } }).properties.code.enum;
    expect(listed.sort()).toEqual(Object.keys(PROBLEMS).sort());
    const text = JSON.stringify(document.paths);
    // These are of no operation: the path or the method has none.
    const elsewhere = ['route_not_found', 'method_not_allowed'];
    for (const code of listed) expect(text.includes(`"${code}"`) || elsewhere.includes(code), code).toBe(true);
  });

  it('and so does docs/http.md, with status and title', async () => {
    const page = await readFile(new URL('../../docs/http.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (.+) \|$/gm)].map(([, code, status, title]) => [code, { status: Number(status), title }]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status, title }]) => [code, { status, title }])));
  });

  it('takes the same events as the service does', () => {
    const ajv = new Ajv2020({ strict: false });
    formats.default(ajv);
    ajv.addSchema(document, 'openapi');
    const validate = ajv.compile({ $ref: 'openapi#/components/schemas/AppendItem' });
    const actor = { type: 'user', id: '1' };
    const events: JsonValue[] = [
      { action: 'a', actor }, { action: 'a', actor: { ...actor, name: '' }, entryId: 'x', outcome: 'denied', metadata: { deep: [{ free: null }] } }, { action: 'a', actor, occurredAt: '2026-02-28T12:00:00Z' },
      {}, { action: 'a' }, { action: '', actor }, { action: 'a', actor: 'x' }, { action: 'a', actor, extra: 1 }, { action: 'a', actor, outcome: 'maybe' }, { action: 'a', actor, targets: {} },
      { action: 'a', actor, entryId: '-' }, { action: 'a', actor, context: { ip: 'x' } }, { action: 'a', actor, schemaVersion: 1 }, { action: 'x'.repeat(257), actor }, [], null, 'x',
    ];
    for (const value of events) {
      let taken = true;
      try {
        parseEvent(value);
      } catch {
        taken = false;
      }
      expect(validate(value), JSON.stringify(value).slice(0, 100)).toBe(taken);
    }
  });
});
