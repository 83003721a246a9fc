/** The real servers of this benchmark, by the scripts that the tests start them with. */

export const quick = process.argv.includes('--quick');

export interface MinIO {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  createBucket(name: string): Promise<string>;
  dispose(): Promise<void>;
}

interface Disposable {
  dispose(): Promise<void>;
}

export async function startServer(name: 'minio'): Promise<MinIO>;
export async function startServer(name: 'kafka'): Promise<Disposable & { readonly broker: string }>;
export async function startServer(name: 'elasticsearch'): Promise<Disposable & { readonly endpoint: string }>;
export async function startServer(name: string): Promise<unknown> {
  const module = (await import(new URL(`../../scripts/services/${name}.mjs`, import.meta.url).href)) as { start(options: object): Promise<unknown> };
  // None that runs already: what it does beside would be measured.
  return module.start({ own: true });
}
