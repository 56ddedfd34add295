import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { WebSocket } from 'ws';

import { TOKEN_SUBPROTOCOL_PREFIX } from '../../../sdk/contract/index.ts';
import { newSessionName } from '../../../server/sessions/session-name.ts';
import { upstreamToken } from '../../../server/sessions/session-tokens.ts';
import { jupyterKernelStates } from '../../../server/sessions/kernel-states.ts';
import { PAGE_ORIGIN, ring, startProxy, until, type Proxy } from './harness.ts';
import { opened, runCode, V1_PROTOCOL } from './kernel-socket.ts';
import { startJupyter, type Jupyter } from './jupyter.ts';

describe('a real Jupyter server behind the proxy', () => {
  let proxy: Proxy;
  let jupyter: Jupyter;
  const session = newSessionName();
  const base = `/user/${session}/`;
  let token = '';

  before(async () => {
    jupyter = await startJupyter({ baseUrl: base, token: upstreamToken(ring, session) });
    proxy = await startProxy();
    proxy.spawner.add({ socketPath: jupyter.socketPath }, { name: session });
    token = proxy.token(session);
  });
  after(async () => {
    await proxy.close();
    await jupyter.stop();
  });

  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${proxy.origin}${base}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, origin: PAGE_ORIGIN, ...init.headers },
    });

  it('answers REST with CORS of the hub and without cookies of the server', async () => {
    const response = await ask(`api/status?${Date.now()}`);
    assert.equal(response.status, 200);
    assert.equal(typeof ((await response.json()) as { kernels: number }).kernels, 'number');
    assert.equal(response.headers.get('access-control-allow-origin'), PAGE_ORIGIN);
    assert.equal(response.headers.get('access-control-allow-credentials'), null);
    assert.equal(response.headers.get('set-cookie'), null);
    assert.equal(response.headers.get('server'), null);
    assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
  });

  it('carries files and contents both ways', async () => {
    await writeFile(join(jupyter.root, 'ünï code 100%.txt'), 'hello');
    const name = encodeURIComponent('ünï code 100%.txt');
    const read = await ask(`api/contents/${name}`);
    assert.equal(read.status, 200);
    assert.equal(((await read.json()) as { content: string }).content, 'hello');
    const body = JSON.stringify({ type: 'file', format: 'text', content: 'x'.repeat(300_000) });
    assert.equal((await ask('api/contents/big.txt', { method: 'PUT', body })).status, 201);
    assert.equal((await (await ask('files/big.txt')).text()).length, 300_000);
    assert.equal((await ask('api/contents/big.txt', { method: 'DELETE' })).status, 204);
    assert.equal((await ask('api/contents/big.txt')).status, 404);
  });

  it('replays what thebe 0.9.3 asks for, in its order, and computes 1+1', async () => {
    const now = (): string => `?${Date.now()}`;
    const thebe = { authorization: `token ${token}` };
    for (const [path, names] of [
      ['api/status', 'authorization,content-type'],
      ['api/kernels', 'authorization,content-type'],
      ['api/sessions', 'authorization,content-type'],
      ['api/sessions', 'authorization'],
    ] as const) {
      const preflight = await fetch(`${proxy.origin}${base}${path}${now()}`, {
        method: 'OPTIONS',
        headers: {
          origin: PAGE_ORIGIN,
          'access-control-request-method': names.includes(',') ? 'GET' : 'POST',
          'access-control-request-headers': names,
        },
      });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get('access-control-max-age'), '600');
      const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').split(', ');
      for (const header of names.split(',')) assert.ok(allowed.includes(header), header);
    }
    for (const path of ['api/status', 'api/kernels', 'api/sessions'])
      assert.equal((await ask(path + now(), { headers: thebe })).status, 200);
    const body = JSON.stringify({ path: 'demo.ipynb', name: '', type: 'notebook', kernel: { name: 'python3' } });
    const posted = await ask(`api/sessions${now()}`, {
      method: 'POST',
      headers: { ...thebe, 'content-type': 'text/plain;charset=UTF-8' },
      body,
    });
    assert.equal(posted.status, 201);
    const { kernel } = (await posted.json()) as { kernel: { id: string } };
    for (const path of ['api/sessions', 'api/kernels'])
      assert.equal((await ask(path + now(), { headers: thebe })).status, 200);
    const socket = await opened(
      new WebSocket(
        `${proxy.origin.replace('http', 'ws')}${base}api/kernels/${kernel.id}/channels?session_id=${randomUUID()}&token=${token}`,
        [V1_PROTOCOL],
        { origin: PAGE_ORIGIN },
      ),
    );
    assert.equal(socket.protocol, V1_PROTOCOL);
    assert.equal(await runCode(socket, '1+1'), '2');
    socket.terminate();
  });

  it('computes over a socket whose token is a subprotocol, and tells the culler', async () => {
    const kernels = (await (await ask('api/kernels')).json()) as { id: string }[];
    const url = `${proxy.origin.replace('http', 'ws')}${base}api/kernels/${kernels[0]!.id}/channels?session_id=x`;
    const socket = await opened(new WebSocket(url, [`${TOKEN_SUBPROTOCOL_PREFIX}${token}`]));
    assert.equal(socket.protocol, `${TOKEN_SUBPROTOCOL_PREFIX}${token}`);
    assert.equal(proxy.activity.clients(session), 1);
    const before = proxy.activity.lastFrameAt(session);
    assert.equal(await runCode(socket, '1+1'), '2');
    assert.ok((proxy.activity.lastFrameAt(session) ?? 0) >= (before ?? 1));
    const states = jupyterKernelStates(proxy.spawner.upstream);
    assert.equal(await states(session), 'idle');
    const busy = runCode(socket, 'import time; time.sleep(1.5)');
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(await states(session), 'busy');
    await busy;
    socket.terminate();
    await until(() => proxy.activity.clients(session) === 0, 'the client is counted as gone');
  });

  it('forwards the refusal of a kernel that does not exist', async () => {
    const url = `${proxy.origin.replace('http', 'ws')}${base}api/kernels/${randomUUID()}/channels`;
    const socket = new WebSocket(url, { headers: { authorization: `token ${token}` } });
    await assert.rejects(opened(socket), /404/);
  });

  it('destroys the client when the server dies, without a clean close', async () => {
    const kernels = (await (await ask('api/kernels')).json()) as { id: string }[];
    const url = `${proxy.origin.replace('http', 'ws')}${base}api/kernels/${kernels[0]!.id}/channels`;
    const socket = await opened(new WebSocket(url, [`${TOKEN_SUBPROTOCOL_PREFIX}${token}`]));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    jupyter.child.kill('SIGKILL');
    assert.equal(await closed, 1006);
    const response = await ask('api/status');
    assert.equal(response.status, 502);
    assert.equal(((await response.json()) as { code: string }).code, 'session_crashed');
    assert.equal(response.headers.get('access-control-allow-origin'), PAGE_ORIGIN);
  });

  it('logged no token', () => {
    const log = proxy.log.join('\n');
    assert.ok(!log.includes(token) && !log.includes(upstreamToken(ring, session)));
  });
});
