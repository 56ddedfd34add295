import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../../server/clock.ts';
import { availableMemory, outOfMemoryKills } from '../../../server/processes/available-memory.ts';
import { endProcess, waitForEnd } from '../../../server/processes/end-process.ts';
import { markedProcesses } from '../../../server/processes/marked-processes.ts';
import { identify, isAlive, type ProcessIdentity } from '../../../server/processes/process-identity.ts';

const children: ChildProcess[] = [];

const start = async (code: string, env: Record<string, string> = {}): Promise<ProcessIdentity> => {
  const child = spawn(process.execPath, ['-e', `${code}; console.log('up'); setInterval(() => 0, 1000)`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env,
  });
  children.push(child);
  await once(child.stdout, 'data');
  const identity = await identify(child.pid ?? 0);
  assert.ok(identity);
  return identity;
};

describe('processes', { timeout: 30_000 }, () => {
  let awake: NodeJS.Timeout;
  before(() => {
    awake = setInterval(() => undefined, 1_000);
  });
  after(() => {
    clearInterval(awake);
    for (const child of children) child.kill('SIGKILL');
  });

  it('a process is asked to end first', async () => {
    const identity = await start("process.on('SIGTERM', () => process.exit(0))");
    await endProcess(identity, { clock: systemClock, graceMs: 10_000 });
    assert.equal(children.at(-1)?.signalCode ?? null, null);
    assert.equal(await isAlive(identity), false);
    await endProcess(identity, { clock: systemClock, graceMs: 10_000 });
  });

  it('one that does not is killed', async () => {
    const identity = await start("process.on('SIGTERM', () => 0)");
    await endProcess(identity, { clock: systemClock, graceMs: 100 });
    assert.equal(await isAlive(identity), false);
  });

  it('one that only has the same pid is left alone', async () => {
    const identity = await start('0');
    const earlier = { ...identity, startTime: '1' };
    assert.equal(await isAlive(earlier), false);
    await endProcess(earlier, { clock: systemClock, graceMs: 0 });
    await endProcess({ ...identity, bootId: 'another' }, { clock: systemClock, graceMs: 0 });
    assert.equal(await isAlive(identity), true);
    assert.equal(await waitForEnd(identity, 50, systemClock), false);
    await endProcess(identity, { clock: systemClock, graceMs: 0 });
  });

  it('those with a mark are found, and only those', async () => {
    const one = await start('0', { LIVELEAF_TEST_MARK: `${process.pid}.one` });
    const two = await start('0', { LIVELEAF_TEST_MARK: `${process.pid}.two` });
    await start('0', { LIVELEAF_TEST_MARK: `other.${process.pid}.` });
    const found = await markedProcesses('LIVELEAF_TEST_MARK', `${process.pid}.`);
    const byPid = (a: { pid: number }, b: { pid: number }) => a.pid - b.pid;
    assert.deepEqual(
      found.toSorted(byPid),
      [
        { pid: one.pid, mark: `${process.pid}.one` },
        { pid: two.pid, mark: `${process.pid}.two` },
      ].toSorted(byPid),
    );
  });

  it('the machine says how much memory is left and what it killed for want of it', async () => {
    assert.ok((await availableMemory()) > 2 ** 20);
    const kills = await outOfMemoryKills();
    assert.ok(kills === undefined || kills >= 0);
  });
});
