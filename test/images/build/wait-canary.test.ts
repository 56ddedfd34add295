import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, describe, it, type TestContext } from 'node:test';
import { openBuildScripts } from './build-scripts.ts';

const scripts = await openBuildScripts();
after(scripts.close);

const listen = async (t: TestContext): Promise<{ server: Server; port: number }> => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
};

/** What a canary that is waited for two seconds ends with: a sentence, or null. */
const wait = (canary: string) =>
  scripts.evaluate('import wait_canary as w\nw.MOST_SECONDS = 2\nprint(json.dumps(w.wait(*w.parse(given))))', canary);

describe('The wait for the network policy', { concurrency: true }, () => {
  it('is over at once where nothing is to be waited for', async () => {
    const { status, stdout, result } = await scripts.run('wait_canary.py');
    assert.deepEqual([status, stdout.toString(), result], [0, '', undefined]);
  });

  it('is over once the canary is refused twice in a row', async (t) => {
    const { server, port } = await listen(t);
    let met = 0;
    server.on('connection', () => {
      met += 1;
      if (met === 3) server.close();
    });
    const { status, stdout } = await scripts.run('wait_canary.py', [], { LIVELEAF_CANARY: `127.0.0.1:${port}` });
    assert.equal(status, 0);
    assert.match(stdout.toString(), /in force/);
    assert.equal(met, 3);
  });

  it('counts silence as a refusal, since a policy may drop what it forbids', async () => {
    // An address that is set aside for documentation: nobody answers, or nobody can be reached.
    assert.equal(await wait('192.0.2.1:9'), null);
  });

  it('fails in words where the canary can always be reached', async (t) => {
    const { port } = await listen(t);
    assert.match(String(await wait(`127.0.0.1:${port}`)), /not in force: 127\.0\.0\.1:\d+, .* still reached/);
  });

  it('is not content with a name that has no address: that proves nothing', async () => {
    assert.match(String(await wait('no-such-host.invalid:80')), /has no address/);
  });

  it('leaves a code where it fails', async () => {
    const { status, result } = await scripts.run('wait_canary.py', [], { LIVELEAF_CANARY: 'no address' });
    assert.equal(status, 1);
    const { message, ...rest } = result as { message: string };
    assert.deepEqual(rest, { ok: false, code: 'unhealthy', reason: 'canary' });
    assert.match(message, /kubernetes\.canary/);
  });
});
