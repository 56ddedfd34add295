import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { putContent } from '../../../server/spawners/session-client.ts';
import { startPodSession, type PodSession } from '../../images/session/pod-session.ts';
import { filesContent } from './session-world.ts';

describe('the content of a launch', { timeout: 120_000 }, () => {
  let session: PodSession;
  before(async () => {
    session = await startPodSession();
  });
  after(() => session.end());

  const put = (files: Readonly<Record<string, string>>, launchId: string) => {
    const signal = AbortSignal.timeout(30_000);
    return putContent(session.address, filesContent(files).archive(signal), '', signal, launchId);
  };
  const content = () => join(session.home, 'content');

  it('is put in once, however many hubs bring it at the same time, and not over what a reader did since', async () => {
    await Promise.all(['one', 'two', 'three'].map((text) => put({ 'a.txt': text, [`${text}.txt`]: '' }, 'launch-a')));
    const first = await readFile(join(content(), 'a.txt'), 'utf8');
    assert.deepEqual((await readdir(content())).sort(), ['a.txt', `${first}.txt`]);
    await writeFile(join(content(), 'a.txt'), 'edited');
    await put({ 'a.txt': 'again' }, 'launch-a');
    assert.equal(await readFile(join(content(), 'a.txt'), 'utf8'), 'edited');
  });

  it('gives way to that of another launch', async () => {
    await put({ 'b.txt': 'other' }, 'launch-b');
    assert.deepEqual(await readdir(content()), ['b.txt']);
  });
});
