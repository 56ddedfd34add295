import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { TOKEN_SUBPROTOCOL_PREFIX } from '../../sdk/contract/index.ts';

export interface SessionProxy {
  readonly port: number;
  /** Method, address and offered subprotocols of each request, to look for tokens where none may stand. */
  readonly seen: { readonly method: string; readonly url: string; readonly protocols: string }[];
  close(): Promise<void>;
}

export interface SessionProxyOptions {
  readonly upstreamPort: number;
  readonly upstreamToken: string;
  /** The token that clients must have. */
  readonly token: string;
}

const PREFIX = '/user/test';

/**
 * A small stand-in for the hub's proxy, for tests of clients alone: serves one Jupyter server below `/user/test/`,
 * takes the token as a header or a WebSocket subprotocol only, and hands the server's own on.
 */
export const startSessionProxy = async (options: SessionProxyOptions): Promise<SessionProxy> => {
  const { upstreamPort, upstreamToken, token } = options;
  const seen: { method: string; url: string; protocols: string }[] = [];
  const upstreamHeaders = (headers: IncomingHttpHeaders): IncomingHttpHeaders => {
    const { origin: _origin, cookie: _cookie, authorization: _authorization, ...rest } = headers;
    return { ...rest, host: `127.0.0.1:${upstreamPort}`, authorization: `token ${upstreamToken}` };
  };

  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, protocols: '' });
    response.setHeader('access-control-allow-origin', '*');
    if (method === 'OPTIONS') {
      response.setHeader('access-control-allow-methods', 'GET, PUT, POST, PATCH, DELETE');
      response.setHeader('access-control-allow-headers', 'authorization, content-type');
      return void response.writeHead(204).end();
    }
    if (headers.authorization !== `token ${token}` || !url.startsWith(`${PREFIX}/`)) {
      const problem = { status: 401, code: 'unauthorized', detail: 'The token is missing or wrong.' };
      return void response.writeHead(401, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    }
    const path = url.slice(PREFIX.length);
    const upstream = httpRequest(
      { port: upstreamPort, host: '127.0.0.1', method, path, headers: upstreamHeaders(headers) },
      (answer) => {
        const { 'access-control-allow-origin': _allowed, 'set-cookie': _cookies, ...rest } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, rest);
        answer.pipe(response);
      },
    );
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
  });

  server.on('upgrade', (request, client, head) => {
    const { url = '', headers } = request;
    const offered = String(headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map((entry) => entry.trim());
    seen.push({ method: 'UPGRADE', url, protocols: offered.join(', ') });
    client.on('error', () => client.destroy());
    if (!offered.includes(TOKEN_SUBPROTOCOL_PREFIX + token) || !url.startsWith(`${PREFIX}/`))
      return void client.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
    const rest = offered.filter((entry) => !entry.startsWith(TOKEN_SUBPROTOCOL_PREFIX)).join(', ');
    const out = Object.entries({ ...upstreamHeaders(headers), 'sec-websocket-protocol': rest });
    const upstream = connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true }, () => {
      upstream.write(
        `GET ${url.slice(PREFIX.length)} HTTP/1.1\r\n${out.map(([name, value]) => `${name}: ${String(value)}`).join('\r\n')}\r\n\r\n`,
      );
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
