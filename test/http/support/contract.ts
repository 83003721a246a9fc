/** Holds every answer against the OpenAPI document that the server itself hands out. */
import { expect } from 'vitest';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Answer } from './server.js';

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

export class Contract {
  document: OpenApi | undefined;
  /** `GET /v1/chains 200` for each kind of answer that was seen and held. */
  readonly seen = new Set<string>();
  #ajv: Ajv2020 | undefined;
  readonly #compiled = new Map<string, ValidateFunction>();
  #templates: { readonly template: string; readonly pattern: RegExp }[] = [];

  load(document: unknown): void {
    this.document = document as OpenApi;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    formats.default(this.#ajv);
    this.#ajv.addSchema(this.document, 'openapi');
    const templates = Object.keys(this.document.paths).map((template) => ({
      template,
      pattern: new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    }));
    // Fixed words before parameters, as in the server.
    this.#templates = templates.sort((a, b) => placeholders(a.template) - placeholders(b.template));
  }

  check(method: string, path: string, answer: Answer): void {
    if (this.document === undefined || this.#ajv === undefined) return;
    expect(answer.headers['x-request-id'], `${method} ${path}: x-request-id`).toBeTypeOf('string');
    const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
    const pathname = path.replace(/^https?:\/\/[^/]+/, '').split('?')[0] ?? '';
    const template = this.#templates.find(({ pattern }) => pattern.test(pathname))?.template;
    const operation = template === undefined ? undefined : this.document.paths[template]?.[(method === 'HEAD' ? 'GET' : method).toLowerCase()];
    if (template === undefined || operation === undefined) {
      if (answer.status >= 400) this.#validate('#/components/schemas/Problem', answer, `${method} ${path}`);
      return;
    }
    const what = `${method} ${template} ${answer.status}`;
    const response = operation.responses[String(answer.status)];
    expect(response, `${what} is not in the document: ${answer.text.slice(0, 300)}`).toBeDefined();
    expect(Object.keys(response?.content ?? {}), `${what}: content type`).toContain(type);
    this.seen.add(`${what} ${type}`);
    if (method === 'HEAD' || !/^application\/(problem\+)?json$/.test(type)) return;
    const at = ['paths', template, method.toLowerCase(), 'responses', String(answer.status), 'content', type, 'schema'];
    this.#validate(`#/${at.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`, answer, what);
  }

  #validate(pointer: string, answer: Answer, what: string): void {
    let validate = this.#compiled.get(pointer);
    if (validate === undefined) {
      validate = this.#ajv!.compile({ $ref: `openapi${pointer}` });
      this.#compiled.set(pointer, validate);
    }
    const valid = validate(answer.json);
    expect(valid, `${what}: ${JSON.stringify(validate.errors)} in ${answer.text.slice(0, 500)}`).toBe(true);
  }
}

function placeholders(template: string): number {
  return template.split('{').length;
}
