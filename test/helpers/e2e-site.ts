import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
};

/** Somebody's static site, of an origin of its own. */
export interface Site {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** Puts a file on the site, such as `page.html`; returns its address. */
  put(name: string, text: string): string;
  close(): Promise<void>;
}

/** Serves what is put there, and each folder's files below its name as they are. */
export const startSite = async (folders: Readonly<Record<string, string>>): Promise<Site> => {
  const files = new Map<string, string>();
  const server = createServer((request, response) => {
    void (async () => {
      const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname)).slice(1);
      const [name = '', ...rest] = path.split('/');
      const folder = folders[name];
      const content =
        files.get(path) ??
        (folder === undefined ? undefined : await readFile(join(folder, ...rest)).catch(() => undefined));
      if (content === undefined) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(content);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    put: (name, text) => {
      files.set(name, text);
      return `${origin}/${name}`;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
