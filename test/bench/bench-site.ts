import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { npmPackage } from '../helpers/npm-package.ts';

const dist = join(import.meta.dirname, '..', '..', 'dist');

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html',
  '.json': 'application/json',
};

export interface Fetched {
  readonly path: string;
  /** Size as sent, brotli 11. */
  readonly bytes: number;
}

export interface BenchSite {
  readonly origin: string;
  /** What was fetched since the last call, pages themselves left out. */
  taken(): Fetched[];
  close(): Promise<void>;
}

const brotli = (content: Buffer): Buffer =>
  brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });

/** A static site of its own origin: Liveleaf's files, the peers' files as published, and one page for each, all sent as brotli. */
export const startBenchSite = async (pages: Readonly<Record<string, string>>): Promise<BenchSite> => {
  const folders: Readonly<Record<string, string>> = {
    liveleaf: dist,
    thebe: join(await npmPackage('thebe', '0.9.3'), 'lib'),
    juniper: join(await npmPackage('juniper-js', '0.1.0'), 'dist'),
  };
  const compressed = new Map<string, Buffer>();
  let fetched: Fetched[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const path = new URL(request.url ?? '/', 'http://site').pathname;
      const [, folder = '', ...rest] = path.split('/');
      const page = pages[folder];
      if (rest.length === 0 && page !== undefined) {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
        return;
      }
      const root = folders[folder];
      let bytes = compressed.get(path);
      if (bytes === undefined && root !== undefined && !rest.includes('..')) {
        bytes = await readFile(join(root, ...rest)).then(brotli, () => undefined);
        if (bytes) compressed.set(path, bytes);
      }
      if (bytes === undefined) {
        response.writeHead(404).end();
        return;
      }
      fetched.push({ path, bytes: bytes.length });
      response
        .writeHead(200, {
          'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
          'content-encoding': 'br',
          'access-control-allow-origin': '*',
          'cache-control': 'no-store',
        })
        .end(bytes);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken: () => {
      const taken = fetched;
      fetched = [];
      return taken;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
