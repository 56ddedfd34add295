import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createSessionRecords,
  isSessionName,
  type SessionRecords,
} from '../../../server/spawners/local-session-records.ts';
import type { SessionRecord } from '../../../server/spawners/spawner.ts';
import { stateFolder, type StateFolder } from '../../../server/state/state-folder.ts';
import { seed } from './session-world.ts';

const record = (name: string, change: Partial<SessionRecord> = {}): SessionRecord => ({
  ...seed({ launchId: `launch-${name}` }),
  name,
  generation: 1,
  state: 'reserved',
  expiresAt: 2,
  lastActivityAt: 1,
  warm: 'none',
  ...change,
});

describe('records of sessions', () => {
  let folder: string;
  let state: StateFolder;
  let records: SessionRecords;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'll-'));
    state = stateFolder(folder);
    records = createSessionRecords(state);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are made once, for the owner alone, with a link from the launch', async () => {
    await records.create(record('a'));
    await assert.rejects(records.create(record('a', { state: 'ready' })), { code: 'EEXIST' });
    assert.equal((await records.read('a'))?.state, 'reserved');
    assert.deepEqual(await readdir(state.session('a')), ['record.json']);
    assert.equal((await stat(join(state.session('a'), 'record.json'))).mode & 0o777, 0o600);
    assert.equal(await readlink(state.launch('launch-a')), '../sessions/a');
    assert.equal((await records.find('launch-a'))?.name, 'a');
  });

  it('lose no change when many are made at once', async () => {
    await records.create(record('a'));
    await Promise.all([
      records.change('a', { state: 'ready' }),
      records.change('a', { expiresAt: 9 }),
      records.change('a', { lastActivityAt: 8 }),
    ]);
    const changed = await records.read('a');
    assert.deepEqual([changed?.state, changed?.expiresAt, changed?.lastActivityAt], ['ready', 9, 8]);
    assert.equal(await records.change('b', { expiresAt: 1 }), undefined);
  });

  it('are listed oldest first, then by name', async () => {
    await records.create(record('b', { createdAt: 5 }));
    await records.create(record('a', { createdAt: 5 }));
    await records.create(record('c', { createdAt: 4 }));
    assert.deepEqual(
      (await records.list()).map(({ name }) => name),
      ['c', 'a', 'b'],
    );
  });

  it('are found again when the hub was killed before the link, and a link to another launch is not believed', async () => {
    await records.create(record('a', { launchId: 'one' }));
    await records.create(record('b', { launchId: 'two' }));
    await rm(state.launch('one'));
    await rm(state.launch('two'));
    await symlink('../sessions/a', state.launch('two'));
    assert.equal((await records.find('one'))?.name, 'a');
    assert.equal((await records.find('two'))?.name, 'b');
    assert.equal(await readlink(state.launch('two')), '../sessions/b');
  });

  it('vanish with their link, but not with another session’s', async () => {
    await records.create(record('a', { launchId: 'one' }));
    await records.create(record('b', { launchId: 'one' }));
    assert.deepEqual(
      (await records.carriers('one')).map(({ name }) => name),
      ['a', 'b'],
    );
    await records.remove('a');
    assert.equal((await records.find('one'))?.name, 'b');
    await records.remove('b');
    await records.remove('b');
    assert.equal(await records.find('one'), undefined);
    assert.deepEqual(await readdir(state.launches), []);
  });

  it('that are torn or foreign are none', async () => {
    await mkdir(state.session('a'), { recursive: true });
    await writeFile(join(state.session('a'), 'record.json'), '{"name":');
    await writeFile(join(state.sessions, 'b'), '');
    assert.deepEqual(await records.list(), []);
    await symlink('../sessions/gone', state.launch('x')).catch(async () => {
      await mkdir(state.launches);
      await symlink('../sessions/gone', state.launch('x'));
    });
    await records.tidyLinks();
    assert.deepEqual(await readdir(state.launches), []);
  });

  it('never lead out of the state folder, whatever the name', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom('..', '.', '', 'a/b', 'A', 'ä')), (name) => {
        if (isSessionName(name)) assert.equal(state.session(name), join(state.sessions, name));
      }),
    );
  });
});
