import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commitFiles, initRepository, runGit, type Files } from './git-repository.ts';

/** How a repository's answers go wrong. */
type GitFault =
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Answers after a time. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Sends bytes of a plausible answer without end, to a bound of 4 GiB. */
  | { readonly kind: 'huge' }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> };

export interface GitServerOptions {
  /** Repositories by name (`owner/name`), with the files of their first commit on `main`. Served with and without `.git`. */
  readonly repos: Readonly<Record<string, Files>>;
  /** Names that are answered with 401, as a host answers for a private repository. */
  readonly private?: readonly string[];
  /** Speaks the old protocol, which hands out only commits that a ref points to. Default false. */
  readonly oldProtocol?: boolean;
}

export interface GitServer {
  /** `http://127.0.0.1:<port>` */
  readonly address: string;
  readonly port: number;
  /** Every request so far: `GET /owner/name.git/info/refs?service=git-upload-pack`. */
  readonly requests: string[];
  /** How many packs were asked for; looking up refs is none. */
  fetches(): number;
  url(repo: string): string;
  /** The bare repository's folder, for what `commit` cannot say. */
  folder(repo: string): string;
  /** Runs git in the bare repository; returns what it printed, trimmed. */
  git(repo: string, ...args: string[]): Promise<string>;
  /** Commits changes on top of a ref (default `refs/heads/main`; a short name is a branch) and returns the commit's id. The repository is made when new. */
  commit(repo: string, files: Files, ref?: string): Promise<string>;
  /** Makes answers for a repository fail, until called again without a fault. */
  fault(repo: string, fault?: GitFault): void;
  close(): Promise<void>;
}

const fullRef = (ref: string): string => (ref.startsWith('refs/') ? ref : `refs/heads/${ref}`);

const serve = (root: string, path: string, query: string, options: GitServerOptions, request: IncomingMessage) => {
  const header = (name: string): string => String(request.headers[name] ?? '');
  return spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: path,
      QUERY_STRING: query,
      REMOTE_ADDR: '127.0.0.1',
      CONTENT_TYPE: header('content-type'),
      ...(header('content-length') === '' ? {} : { CONTENT_LENGTH: header('content-length') }),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      ...(options.oldProtocol === true ? {} : { GIT_PROTOCOL: header('git-protocol') }),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
};

/** Turns a CGI program's output into an answer. */
const relay = (child: ReturnType<typeof serve>, request: IncomingMessage, response: ServerResponse): void => {
  let head: Buffer | undefined = Buffer.alloc(0);
  child.on('error', () => response.destroy());
  child.stdin.on('error', () => {});
  response.on('close', () => child.kill('SIGKILL'));
  request.pipe(child.stdin);
  child.stdout.on('data', (chunk: Buffer) => {
    if (head === undefined) {
      if (!response.write(chunk)) {
        child.stdout.pause();
        response.once('drain', () => child.stdout.resume());
      }
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    for (const line of head.subarray(0, end).toString().split('\r\n')) {
      const colon = line.indexOf(':');
      const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  child.stdout.on('end', () => response.end());
};

const flood = (request: IncomingMessage, response: ServerResponse): void => {
  const isRefs = request.url?.includes('/info/refs') === true;
  response.setHeader('content-type', `application/x-git-upload-pack-${isRefs ? 'advertisement' : 'result'}`);
  const line = (text: string): string => `${(text.length + 5).toString(16).padStart(4, '0')}${text}\n`;
  let left = 4 * 1024 ** 3;
  let count = 0;
  if (isRefs) response.write(`${line('# service=git-upload-pack')}0000`);
  const more = (): void => {
    let block = '';
    while (block.length < 65_536) block += line(`${'a'.repeat(40)} refs/heads/${count++}`);
    left -= block.length;
    if (left < 0) response.end();
    else if (response.write(block)) setImmediate(more);
    else response.once('drain', more);
  };
  more();
};

/** A real git server over smart HTTP on the loopback interface, whose repositories are made by script. */
export const startGitServer = async (options: GitServerOptions): Promise<GitServer> => {
  const root = await mkdtemp(join(tmpdir(), 'liveleaf-git-server-'));
  const requests: string[] = [];
  const faults = new Map<string, GitFault>();
  const known = new Set<string>();
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const folder = (repo: string): string => join(root, `${repo}.git`);

  let fetches = 0;
  const count = (request: IncomingMessage): void => {
    if (request.method !== 'POST') return;
    request.once('data', (chunk: Buffer) => (fetches += chunk.includes('command=ls-refs') ? 0 : 1));
  };

  const answer = (repo: string, rest: string, query: string, request: IncomingMessage, response: ServerResponse) => {
    if (!known.has(repo)) return void response.writeHead(404).end('Repository not found.');
    if (options.private?.includes(repo) === true)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    count(request);
    relay(serve(root, `/${repo}.git${rest}`, query, options, request), request, response);
  };

  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, repo = '', rest = ''] = /^\/(.+?)(?:\.git)?(\/(?:info\/refs|git-upload-pack))$/.exec(url.pathname) ?? [];
    const fault = faults.get(repo);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'huge') return flood(request, response);
    if (fault?.kind === 'redirect') return void response.writeHead(302, { location: fault.location }).end();
    if (fault?.kind === 'status') return void response.writeHead(fault.status, fault.headers).end();
    if (fault?.kind === 'slow') {
      const timer = setTimeout(() => {
        timers.delete(timer);
        answer(repo, rest, url.search.slice(1), request, response);
      }, fault.delayMs);
      timers.add(timer);
      return;
    }
    answer(repo, rest, url.search.slice(1), request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  const commit = async (repo: string, files: Files, ref = 'main'): Promise<string> => {
    if (!known.has(repo)) await initRepository(folder(repo));
    known.add(repo);
    return commitFiles(folder(repo), files, fullRef(ref));
  };
  for (const [repo, files] of Object.entries(options.repos)) await commit(repo, files);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}`;

  return {
    address,
    port,
    requests,
    fetches: () => fetches,
    url: (repo) => `${address}/${repo}.git`,
    folder,
    git: async (repo, ...args) => (await runGit(folder(repo), args)).trim(),
    commit,
    fault: (repo, fault) => void (fault === undefined ? faults.delete(repo) : faults.set(repo, fault)),
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
