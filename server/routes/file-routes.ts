import fastifyStatic from '@fastify/static';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PUBLIC_FILES } from './guards.ts';
import type { App, RouteParts } from './route-parts.ts';

/** The widget's own files below dist/; the hub's and the SDK's lie beside them and are nobody's business. */
const WIDGET_FILE = /^(?:liveleaf[\w.-]*|chunks\/[\w./-]+)\.(?:js|mjs|css|map|json|wasm|woff2?|svg)$/;

const FOREVER = 'public, max-age=31536000, immutable';
const CHECK_AGAIN = 'public, no-cache';

/** A place on this machine under both of its names, since a page may have been opened under the other one. */
const bothNames = (address: string): readonly string[] => {
  const { origin, protocol, port } = new URL(address);
  const here = ['127.0.0.1', 'localhost'].map((host) => `${protocol}//${host}${port === '' ? '' : `:${port}`}`);
  return [...new Set([origin, ...here])];
};

/** Demo pages run code through this hub and its sessions, and ask nobody else for anything. */
const demoPolicy = ({ hub, sessions }: RouteParts['addresses']): string => {
  const sockets = bothNames(sessions).map((address) => address.replace(/^http/, 'ws'));
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    `connect-src 'self' ${[...bothNames(hub), ...bothNames(sessions), ...sockets].join(' ')}`,
    "frame-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
};

/** The address that stands in the demo's pages, which know only a hub as it is started without options. */
const USUAL_ADDRESS = 'http://127.0.0.1:8585';

/** The widget's files under a version and under `latest`, and the demo pages. */
export const registerFileRoutes = async (app: App, { folders, version, addresses }: RouteParts): Promise<void> => {
  await app.register(fastifyStatic, { root: folders.assets, serve: false, cacheControl: false, preCompressed: true });

  app.get<{ Params: { version: string; '*': string } }>(
    '/liveleaf/:version/*',
    { config: PUBLIC_FILES },
    async (request, reply) => {
      const { version: asked, '*': file } = request.params;
      if ((asked !== 'latest' && asked !== version) || !WIDGET_FILE.test(file) || file.includes('..'))
        return reply.callNotFound();
      // A chunk's name holds the digest of what is in it; the other files keep theirs, and a build on disk can change.
      void reply.header('cache-control', file.startsWith('chunks/') ? FOREVER : CHECK_AGAIN);
      return reply.sendFile(file, folders.dist);
    },
  );

  const { demo } = folders;
  if (demo === undefined || !existsSync(demo)) return;
  const policy = demoPolicy(addresses);
  app.get('/demo', async (_request, reply) => reply.redirect('/demo/', 302));
  app.get<{ Params: { '*': string } }>('/demo/*', async (request, reply) => {
    const file = request.params['*'] === '' ? 'documentation.html' : request.params['*'];
    void reply.headers({ 'content-security-policy': policy, 'cache-control': 'no-cache' });
    if (!/^[\w-]+\.html$/.test(file)) return reply.sendFile(file, demo);
    const page = await readFile(join(demo, file), 'utf8').catch(() => undefined);
    if (page === undefined) return reply.callNotFound();
    return reply.type('text/html; charset=utf-8').send(page.replaceAll(USUAL_ADDRESS, new URL(addresses.hub).origin));
  });
};
