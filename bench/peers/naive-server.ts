/** The naive log behind bare node:http: arguments are the folder and the port. */
import { createServer } from 'node:http';

import { NaiveLog } from './naive-log.js';

const [, , folder, port] = process.argv;
if (folder === undefined || port === undefined) throw new TypeError('expected a folder and a port');
const log = await NaiveLog.open(folder);

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(log.size));
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    log.append(Buffer.concat(chunks).toString('utf8')).then(
      (receipt) => {
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(receipt));
      },
      (error: unknown) => {
        response.writeHead(500).end(String(error));
      },
    );
  });
});
server.listen(Number(port), '127.0.0.1');
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => void log.close());
});
