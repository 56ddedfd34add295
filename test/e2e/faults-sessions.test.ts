import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../server/clock.ts';
import { loadKeyRing, type KeyRing } from '../../server/sessions/key-ring.ts';
import { sessionTokens, upstreamToken } from '../../server/sessions/session-tokens.ts';
import { ERRORS, type Problem } from '../../sdk/contract/index.ts';
import {
  connectKernel,
  LiveleafError,
  type Execution,
  type KernelConnection,
  type KernelStatus,
  type Server,
} from '../../sdk/index.ts';
import { processesOf } from '../helpers/e2e-traces.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';
import { FOREIGN_TARGETS, HOSTILE_SUFFIXES } from '../server/proxy/hostile-paths.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const codeOf = (reason: unknown): string => (LiveleafError.isInstance(reason) ? reason.code : String(reason));

const printed = async (execution: Execution): Promise<string> => {
  let text = '';
  for await (const output of execution) if (output.type === 'stream') text += output.text;
  await execution.result;
  return text.trim();
};

/** What happens to a promise within a time. */
const outcomeOf = async (promise: Promise<unknown>, timeoutMs: number): Promise<string> =>
  Promise.race([
    promise.then((value) => `resolved with ${JSON.stringify(value)}`, codeOf),
    delay(timeoutMs, undefined, { ref: false }).then(() => `nothing within ${timeoutMs} ms`),
  ]);

describe('a session that goes wrong', { timeout: 240_000 }, () => {
  let world: E2eWorld;
  let keys: KeyRing;
  const kernels: KernelConnection[] = [];
  let mine: Server;
  let other: Server;
  before(async () => {
    world = await startWorld();
    keys = await loadKeyRing(join(world.hub.stateDir, 'keys.json'));
  });
  beforeEach(async () => {
    const spec = await world.repo('plain');
    [mine, other] = await Promise.all([world.launch(spec).launch.server, world.launch(spec).launch.server]);
  });
  afterEach(async () => {
    for (const kernel of kernels.splice(0)) kernel.dispose();
    await world.stopAll();
  });
  after(() => world.end());

  const connect = async (server: Server): Promise<KernelConnection> => {
    const kernel = await connectKernel(server, { signal: AbortSignal.timeout(30_000) });
    kernels.push(kernel);
    return kernel;
  };

  /** One request whose path goes out as it is; an upgrade where asked, which is then closed. */
  const ask = (path: string, headers: Record<string, string> = {}, isUpgrade = false): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(world.hub.sessionAddress);
      const upgrade = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
      };
      const asked = request({
        hostname,
        port,
        path,
        agent: false,
        headers: { ...(isUpgrade ? upgrade : {}), ...headers },
      });
      asked.on('upgrade', ({ statusCode = 0, headers: answered }, socket) => {
        socket.destroy();
        resolve({ status: statusCode, headers: answered, text: '' });
      });
      asked.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on('error', reject);
      });
      asked.on('error', reject);
      asked.end();
    });

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const statusPath = (server: Server) => `${new URL(server.url).pathname}api/status`;
  const channelsPath = (server: Server) =>
    `${new URL(server.url).pathname}api/kernels/${server.kernel?.id ?? ''}/channels`;
  const codeOfAnswer = ({ status, text }: Answer): string => {
    const problem = JSON.parse(text) as Problem;
    assert.equal(problem.status, status);
    assert.equal(ERRORS[problem.code].status, status);
    assert.ok(problem.detail.length > 20);
    return problem.code;
  };

  for (const how of ['by the code of a cell', 'from outside'] as const)
    it(
      `a kernel that is killed ${how}: the page is told, variables are lost, new runs work`,
      { timeout: 60_000 },
      async () => {
        const kernel = await connect(mine);
        const tab = await connect(mine);
        assert.equal(await printed(kernel.execute('kept = 42; print("set")')), 'set');
        assert.equal(await printed(tab.execute('print(kept)')), '42', 'a second tab shares the kernel');
        const told: string[] = [];
        kernel.onStatus((status: KernelStatus, cause) => told.push(cause === undefined ? status : codeOf(cause)));
        const queued: Execution[] = [];
        if (how === 'from outside') {
          queued.push(kernel.execute('import time; time.sleep(60)'));
          while (!told.includes('busy')) await delay(20);
          const [victim] = (await processesOf(world.hub.stateDir)).filter(
            ({ command }) => command.includes('ipykernel_launcher') && command.includes(mine.session.slice(0, 13)),
          );
          assert.ok(victim, 'the kernel’s process was not found');
          process.kill(victim.pid, 'SIGKILL');
        } else queued.push(kernel.execute('import os, signal; os.kill(os.getpid(), signal.SIGKILL)'));
        queued.push(kernel.execute('print("never")'));
        for (const execution of queued) assert.equal(await outcomeOf(execution.result, 20_000), 'kernel_dead');
        assert.ok(told.includes('kernel_dead'), JSON.stringify(told));
        assert.equal(
          await printed(kernel.execute('print("kept" in globals(), len(In))')),
          'False 2',
          '“never” never ran',
        );
        assert.equal(await printed(tab.execute('print(6 * 7)')), '42');
        assert.equal((await world.servers()).length, 2, 'the server lives on');
      },
    );

  it(
    'a server that is killed: session_lost, promptly, by HTTP and to the page, and nothing of it is left',
    { timeout: 60_000 },
    async () => {
      const kernel = await connect(mine);
      const running = kernel.execute('import time; time.sleep(60)');
      const servers = await processesOf(world.hub.stateDir);
      const victim = servers.find(({ command }) => command.includes('serve.py') && command.includes(mine.session));
      assert.ok(victim);
      await delay(300);
      process.kill(victim.pid, 'SIGKILL');
      const at = Date.now();
      assert.equal(await outcomeOf(running.result, 15_000), 'session_lost');
      const toldMs = Date.now() - at;
      assert.ok(toldMs < 8_000, `the page was told after ${toldMs} ms`);
      assert.equal(kernel.status, 'dead');
      const answer = await ask(statusPath(mine), bearer(mine.token));
      assert.deepEqual([answer.status, codeOfAnswer(answer)], [410, 'session_lost']);
      const upgrade = await ask(channelsPath(mine), bearer(mine.token), true);
      assert.deepEqual([upgrade.status, codeOfAnswer(upgrade)], [410, 'session_lost']);
      assert.equal(await outcomeOf(connect(mine), 15_000), 'session_lost');
      const deadline = Date.now() + 5_000;
      const left = async () =>
        (await processesOf(world.hub.stateDir)).filter(({ command }) => command.includes(mine.session.slice(0, 13)));
      while ((await left()).length > 0 && Date.now() < deadline) await delay(50);
      assert.deepEqual(await left(), []);
      assert.equal(await world.output(other, 'print(6 * 7)'), '42', 'the other session lives on');
    },
  );

  it(
    'a token that is missing, wrong, expired, another session’s or of another kind opens nothing, on HTTP and on upgrade',
    { timeout: 60_000 },
    async () => {
      const tokens = sessionTokens(keys, systemClock);
      const claim = { session: mine.session, generation: 1, expiresAt: Date.now() + 60_000 };
      const bad: [string, string | undefined, string][] = [
        ['missing', undefined, 'unauthorized'],
        ['empty', '', 'unauthorized'],
        ['garbage', 'x'.repeat(80), 'unauthorized'],
        ['another session’s', other.token, 'unauthorized'],
        ['changed in one character', mine.token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')), 'unauthorized'],
        ['the server’s own', upstreamToken(keys, mine.session), 'unauthorized'],
        ['of another generation', tokens.mint({ ...claim, generation: 2 }), 'unauthorized'],
        ['expired', tokens.mint({ ...claim, expiresAt: Date.now() - 1_000 }), 'expired'],
      ];
      for (const [what, token, code] of bad) {
        const ways: [string, string, Record<string, string>][] = [
          ['header', '', token === undefined ? {} : bearer(token)],
          ['query', token === undefined ? '' : `?token=${token}`, {}],
        ];
        if (token !== undefined && token !== '')
          ways.push(['subprotocol', '', { 'sec-websocket-protocol': `v1.token.liveleaf.${token}` }]);
        for (const [way, query, headers] of ways)
          for (const isUpgrade of [false, true]) {
            if (way === 'subprotocol' && !isUpgrade) continue;
            const path = (isUpgrade ? channelsPath(mine) : statusPath(mine)) + query;
            const answer = await ask(path, headers, isUpgrade);
            const expected = way === 'query' && isUpgrade ? 'unauthorized' : code;
            const name = `${what} by ${way}${isUpgrade ? ' on upgrade' : ''}`;
            assert.equal(codeOfAnswer(answer), expected, name);
            assert.equal(answer.status, ERRORS[expected as keyof typeof ERRORS].status, name);
          }
      }
      assert.equal((await ask(statusPath(mine), bearer(mine.token))).status, 200);
      assert.equal((await ask(channelsPath(mine), bearer(mine.token), true)).status, 101);
      const expired = { ...mine, token: tokens.mint({ ...claim, expiresAt: Date.now() - 1_000 }) };
      assert.equal(await outcomeOf(connect(expired), 20_000), 'expired');
    },
  );

  it('a launch token opens its own launch only', { timeout: 60_000 }, async () => {
    const [first, second] = await Promise.all(
      ['one', 'two'].map(
        async (key) => (await (await world.post('gh/owner/plain/HEAD', key)).json()) as { id: string; token: string },
      ),
    );
    assert.ok(first && second);
    for (const method of ['GET', 'DELETE'])
      for (const token of [undefined, '', 'x'.repeat(22), second.token, mine.token]) {
        const headers = token === undefined ? {} : bearer(token);
        const response: Response = await fetch(`${world.hub.address}api/launches/${first.id}`, { method, headers });
        assert.equal(response.status, 401);
        assert.equal(((await response.json()) as Problem).code, 'unauthorized');
      }
    for (const created of [first, second]) assert.equal((await world.cancel(created)).status, 204);
    assert.equal((await world.cancel(first)).status, 204, 'twice is once');
    assert.equal((await world.cancel({ ...first, id: 'a'.repeat(26) })).status, 401);
  });

  it(
    'a path that tries to leave its session reaches neither another session, nor the hub, nor a file',
    { timeout: 60_000 },
    async () => {
      const base = new URL(mine.url).pathname;
      const marker = randomBytes(8).toString('hex');
      assert.equal(await world.output(other, `open("secret.txt", "w").write("${marker}")`), '');
      const paths = [
        ...HOSTILE_SUFFIXES.map((suffix) => base + suffix),
        ...FOREIGN_TARGETS(mine.session),
        `${base}../${other.session}/files/secret.txt`,
        `${base}%2e%2e/${other.session}/files/secret.txt`,
        `${base}files/..%2F..%2F..%2F${other.session}/home/content/secret.txt`,
        `${base}files/%2e%2e/%2e%2e/keys.json`,
        `/user/${other.session}/files/secret.txt`,
      ];
      for (const path of paths) {
        if (/[^\u0021-\u00ff]/.test(path)) continue;
        const answer = await ask(path, bearer(mine.token)).catch((error: Error) => error);
        if (answer instanceof Error) continue;
        assert.ok(!answer.text.includes(marker), path);
        assert.ok(!/"secret"|root:x?:0/.test(answer.text), path);
        assert.ok(answer.status >= 400 || path.startsWith(base), `${path}: ${answer.status}`);
      }
      assert.equal((await ask(`/user/${other.session}/files/secret.txt`, bearer(other.token))).text, marker);
      assert.equal(await world.output(mine, 'print(6 * 7)'), '42');
    },
  );

  it('a session that was stopped is session_lost at once, its token worth nothing', { timeout: 60_000 }, async () => {
    const { launch } = world.launch(await world.repo('plain'));
    const server = await launch.server;
    const kernel = await connect(server);
    const running = kernel.execute('import time; time.sleep(60)');
    await delay(300);
    await launch.cancel();
    const answer = await ask(statusPath(server), bearer(server.token));
    assert.deepEqual([answer.status, codeOfAnswer(answer)], [410, 'session_lost']);
    assert.equal(await outcomeOf(running.result, 15_000), 'session_lost');
    assert.equal(await world.output(mine, 'print(6 * 7)'), '42');
  });
});
