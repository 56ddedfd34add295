import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { build } from 'esbuild';

/** A policy as strict as the widget supports: nothing inline, Trusted Types with the three names that it uses. */
const STRICT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; media-src data:; " +
  "require-trusted-types-for 'script'; trusted-types dompurify lit-html liveleaf";

const page = (script: string): string =>
  '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>t</title>' +
  `<body><script type="module" src="/${script}"></script>`;

/**
 * Serves one empty page that runs the TypeScript file `entry`, on loopback: at `/open` without a policy, at `/strict` with
 * the strict one.
 */
export const serveScriptPage = async (entry: string): Promise<{ readonly origin: string; close(): void }> => {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'out',
    write: false,
  });
  const files = new Map(outputFiles.map((file) => [`/${basename(file.path)}`, file.text]));
  const html = page(basename(entry).replace(/\.ts$/, '.js'));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const script = files.get(pathname);
    if (pathname === '/strict') response.setHeader('Content-Security-Policy', STRICT_POLICY);
    if (pathname !== '/strict' && pathname !== '/open' && script === undefined) response.statusCode = 404;
    response.setHeader('Content-Type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script ?? html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
