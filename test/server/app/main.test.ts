import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { choosePort } from '../../../server/config/addresses.ts';
import { pythonSide } from '../../helpers/python-side.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'server', 'main.ts');
const ROOT = join(import.meta.dirname, '..', '..', '..');

describe('the command', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-main-'));
    const { python } = await pythonSide();
    await mkdir(join(folder, 'state'), { mode: 0o700 });
    await symlink(dirname(dirname(python)), join(folder, 'state', 'python'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const args = (...words: string[]) => ['--import', 'tsx', MAIN, '--state-dir', join(folder, 'state'), ...words];
  const run = (...words: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, args(...words), { cwd: ROOT }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });

  it('teaches, prints and checks its configuration, and names mistakes in one line', async () => {
    const [help, print, check, wrong, word] = await Promise.all([
      run('--help'),
      run('config', 'print', '--quota.total', '7'),
      run('config', 'check'),
      run('--quota.totl', '7'),
      run('strat'),
    ]);
    assert.match(help.stdout, /liveleaf --allow gh\/owner\/name/);
    assert.match(print.stdout, /^ {2}total: 7$/m);
    assert.equal(check.code, 0);
    assert.equal(wrong.code, 1);
    assert.equal(wrong.stderr, 'The option "--quota.totl" is not known. Did you mean "--quota.total"?\n');
    assert.equal(word.stderr, 'The command "strat" is not known. Did you mean "start"?\n');
  });

  it('names a port that is taken, with the cure, before it starts anything', async () => {
    const port = await choosePort({ port: 0, host: '127.0.0.1' });
    const other = createServer().listen(port + 1, '127.0.0.1');
    await once(other, 'listening');
    const { code, stderr } = await run('--port', String(port));
    other.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`Port ${port + 1} is in use.*--port ${port + 10}\\.`));
  });

  it('says once when it is ready and what may run, and ends in order', async () => {
    const port = await choosePort({ port: 0, host: '127.0.0.1' });
    const child = spawn(
      process.execPath,
      args('--port', String(port), '--pool.servers', '0', '--allow', 'gh/owner/name'),
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let stdout = '';
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        stdout += String(chunk);
        if (stdout.includes('\n')) resolve();
      });
      child.once('exit', () => reject(new Error(stderr)));
    });
    const exit = once(child, 'exit');
    try {
      assert.equal(stdout, `Liveleaf is ready at http://127.0.0.1:${port}/\n`);
      assert.match(stderr, /^May run: gh\/owner\/name\.$/m);
      assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
      assert.equal((await fetch(`http://127.0.0.1:${port + 1}/user/${'a'.repeat(26)}/api`)).status >= 400, true);
    } finally {
      child.kill('SIGINT');
    }
    const [code] = (await exit) as [number];
    assert.equal(code, 0, stderr);
    assert.equal(stdout.split('\n').length, 2, 'exactly one line');
  });
});
