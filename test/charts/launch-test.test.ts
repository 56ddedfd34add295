import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';

const root = join(import.meta.dirname, '..', '..');
const SCRIPT = join(root, 'charts', 'liveleaf', 'files', 'launch-test.mjs');

describe('the script that `helm test` runs', () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld({
      config: { publicUrl: 'http://hub.example.org/', sessionUrl: 'http://sessions.example.org/' },
    });
  });
  after(() => world.end());

  const run = async (launch: string): Promise<{ status: number; said: string }> => {
    const { hub } = world;
    const child = spawn(process.execPath, [SCRIPT], {
      env: {
        HUB: hub.address,
        SESSIONS: hub.sessionAddress,
        PUBLIC_URL: 'http://hub.example.org/',
        LAUNCH: launch,
        PACKAGE: join(root, 'package.json'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString()));
    const [status] = (await once(child, 'close')) as [number];
    return { status, said };
  };

  it('launches by the public addresses, runs 1+1 and leaves no session behind', async () => {
    const { status, said } = await run('gh/owner/plain/HEAD');
    assert.equal(status, 0, said);
    assert.match(said, /^building .+$/m);
    assert.match(said, /1\+1 is 2: the hub works\.\n$/);
    await world.stopAll();
    assert.deepEqual(await world.records(), []);
  });

  it('fails with the hub’s own reason', async () => {
    const { status, said } = await run('gh/owner/absent/HEAD');
    assert.equal(status, 1);
    assert.match(said, /The launch failed \(repo_not_found\): ./);
  });

  it('says what to set where nothing may run', async () => {
    const { status, said } = await run('');
    assert.equal(status, 1);
    assert.match(said, /name a repository in config\.allow/);
  });
});
