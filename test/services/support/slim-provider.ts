/**
 * Stands between Terraform and its provider, passes everything on, and shortens one answer: the schema, of which it
 * leaves the types that are named. The provider of AWS has some 1,500, and each `terraform plan` and `show` spends
 * seconds on reading them. Planning itself is the provider's, untouched.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of GetProviderSchema.Response in tfplugin5.proto: maps of resources, data sources, ephemeral resources. */
const MAPS = new Set([2, 3, 8]);
const WINDOW = 1 << 27;

export interface SlimProvider {
  readonly socket: string;
  readonly dispose: () => void;
}

/** @param socket where the provider listens @param types what Terraform is to know */
export async function slim(socket: string, types: ReadonlySet<string>): Promise<SlimProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'indelible-slim-'));
  const own = join(folder, 'socket');
  let schema: Promise<Buffer> | undefined;
  const upstream = connect('http://provider', { createConnection: () => connectSocket(socket), settings: { initialWindowSize: WINDOW } });
  const server = createServer({ settings: { initialWindowSize: WINDOW } });
  server.on('stream', (stream, headers) => {
    // Whoever asks may have gone meanwhile.
    stream.on('error', () => undefined);
    if (!String(headers[':path']).endsWith('.Provider/GetSchema')) {
      passOn(upstream, stream, headers);
      return;
    }
    schema ??= schemaOf(upstream, headers, types);
    schema.then(
      (bytes) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(bytes);
      },
      () => stream.close(),
    );
  });
  server.listen(own);
  await once(server, 'listening');
  return {
    socket: own,
    dispose: () => {
      upstream.destroy();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Without what belongs to one connection. */
function asked(headers: IncomingHttpHeaders): Record<string, string | string[] | undefined> {
  return { ...headers, ':authority': 'provider', ':scheme': 'http' };
}

function passOn(upstream: ClientHttp2Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const request = upstream.request(asked(headers), { endStream: false });
  let trailers: OutgoingHttpHeaders = {};
  request.on('error', () => stream.close());
  request.on('trailers', (given: IncomingHttpHeaders) => {
    trailers = given;
  });
  request.on('response', (answer, flags) => {
    // Status alone: the headers are the end.
    if ((flags & 1) !== 0) {
      stream.respond(answer, { endStream: true });
      return;
    }
    stream.respond(answer, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    request.pipe(stream);
  });
  stream.pipe(request);
  stream.on('close', () => request.close());
}

async function schemaOf(upstream: ClientHttp2Session, headers: IncomingHttpHeaders, types: ReadonlySet<string>): Promise<Buffer> {
  const request = upstream.request(asked(headers), { endStream: false });
  // An empty message.
  request.end(Buffer.alloc(5));
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const framed = Buffer.concat(parts);
  if (framed.length < 5 || framed[0] !== 0) throw new Error('the provider gave no schema, or a compressed one');
  const body = only(framed.subarray(5), types);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(body.length, 1);
  return Buffer.concat([frame, body]);
}

/** The fields of a protobuf message that are not entries of `MAPS` under another key than these. */
function only(message: Buffer, types: ReadonlySet<string>): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at < message.length; ) {
    const start = at;
    const tag = varint(message, at);
    if ((tag.value & 7) !== 2) throw new Error('the schema of the provider has another form than tfplugin5.proto');
    const length = varint(message, tag.next);
    at = length.next + length.value;
    if (!MAPS.has(tag.value >> 3) || types.has(keyOf(message.subarray(length.next, at)))) kept.push(message.subarray(start, at));
  }
  return Buffer.concat(kept);
}

/** Key of a map's entry: its first field. */
function keyOf(entry: Buffer): string {
  const length = varint(entry, 1);
  return entry.subarray(length.next, length.next + length.value).toString('utf8');
}

function varint(bytes: Buffer, from: number): { value: number; next: number } {
  let value = 0;
  for (let at = from, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at];
    if (byte === undefined || shift > 28) throw new Error('the schema of the provider is cut off');
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
}
