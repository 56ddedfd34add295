import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { openBuildScripts } from './build-scripts.ts';

const scripts = await openBuildScripts();
after(scripts.close);

interface Packed {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
}

/** Runs a program that every Linux has; throws where it fails. */
const system = (program: string, args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Buffer =>
  execFileSync(program, args, { input });

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const openTree = async (t: TestContext): Promise<string> => {
  const folder = await mkdtemp(join(scripts.scratch, 'tree-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
};

const pack = async (folder: string, kind = 'gzip') => {
  const { status, stdout, stderr } = await scripts.run('pack_layer.py', [folder, 'srv/env', kind]);
  const lines = stderr.trimEnd().split('\n');
  if (status !== 0) return { status, lines, stdout, packed: undefined };
  const packed = JSON.parse(lines.pop() ?? '') as Packed;
  assert.equal(sha256(stdout), packed.digest);
  assert.equal(stdout.length, packed.size);
  return { status, lines, stdout, packed };
};

const entriesOf = async (tar: Buffer): Promise<(Header & { readonly content: Buffer })[]> => {
  const entries: (Header & { readonly content: Buffer })[] = [];
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ ...entry.header, content: Buffer.concat(chunks) });
  }
  return entries;
};

const FILES: Readonly<Record<string, string>> = {
  'bin/activate': 'echo hi\n',
  'lib/python3/a.py': 'a = 1\n',
  'lib/python3/a/b.py': '',
  'lib/python3/a-b.py': 'x'.repeat(1024),
  'share/ünï/\u{1f40d}': 'snake',
  [`share/${'long/'.repeat(40)}name`]: 'far',
};

/** The same tree, made in one order or another. */
const fill = async (folder: string, order: 'forth' | 'back', at: Date): Promise<void> => {
  const names = Object.keys(FILES);
  for (const name of order === 'forth' ? names : names.reverse()) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true, mode: order === 'forth' ? 0o755 : 0o2770 });
    await writeFile(path, FILES[name] ?? '', { mode: order === 'forth' ? 0o644 : 0o600 });
    await utimes(path, at, at);
  }
  await writeFile(join(folder, 'bin/python-run'), '#!', { mode: order === 'forth' ? 0o755 : 0o700 });
  await symlink('/usr/bin/python3', join(folder, 'bin/python'));
  await link(join(folder, 'lib/python3/a.py'), join(folder, 'lib/python3/z.py'));
};

const zstd = await access('/usr/bin/zstd').then(
  () => true,
  () => false,
);

describe('A packed layer', { concurrency: 2 }, () => {
  it('is the same for the same files, whenever and in whatever order and mode they were made', async (t) => {
    const [one, other, changed] = [await openTree(t), await openTree(t), await openTree(t)];
    await fill(one, 'forth', new Date('2001-02-03'));
    await fill(other, 'back', new Date('2026-11-25'));
    await fill(changed, 'forth', new Date('2001-02-03'));
    await writeFile(join(changed, 'lib/python3/a.py'), 'a = 2\n');
    for (const kind of zstd ? ['gzip', 'zstd'] : ['gzip']) {
      const [first, second, third] = [await pack(one, kind), await pack(other, kind), await pack(changed, kind)];
      assert.deepEqual(first.packed, second.packed);
      assert.notEqual(first.packed?.digest, third.packed?.digest);
      assert.equal(first.packed?.mediaType, `application/vnd.oci.image.layer.v1.tar+${kind}`);
    }
  });

  it('has names in order, parents first, fixed times and owners, plain modes, and links as links', async (t) => {
    const folder = await openTree(t);
    await fill(folder, 'back', new Date());
    const { stdout, packed, lines } = await pack(folder);
    assert.deepEqual(lines, []);
    const tar = gunzipSync(stdout);
    assert.equal(sha256(tar), packed?.diffId);
    const entries = await entriesOf(tar);
    const names = entries.map(({ name }) => name.replace(/\/$/, ''));
    assert.deepEqual(names.slice(0, 2), ['srv', 'srv/env']);
    const seen = new Set(['']);
    for (const name of names) {
      assert.ok(seen.has(name.slice(0, Math.max(0, name.lastIndexOf('/')))), `${name} comes after its folder`);
      seen.add(name);
    }
    const siblings = names.filter((name) => /^srv\/env\/lib\/python3\/[^/]+$/.test(name));
    assert.deepEqual(
      siblings.map((name) => name.slice(20)),
      ['a', 'a-b.py', 'a.py', 'z.py'],
    );
    for (const { name, mtime, uid, gid, uname, gname, mode, type } of entries) {
      assert.equal(mtime?.getTime(), 1_000);
      assert.deepEqual([uid, gid], name === 'srv/' || name === 'srv' ? [0, 0] : [1000, 1000]);
      assert.deepEqual([uname ?? '', gname ?? ''], ['', '']);
      const executable = type === 'directory' || name.endsWith('python-run');
      if (type !== 'symlink') assert.equal(mode, executable ? 0o755 : 0o644, name);
    }
    const byName = new Map(entries.map((entry) => [entry.name.replace(/\/$/, '').replace(/^srv\/env\//, ''), entry]));
    for (const [name, content] of Object.entries(FILES)) assert.equal(byName.get(name)?.content.toString(), content);
    assert.deepEqual(
      [byName.get('bin/python')?.type, byName.get('bin/python')?.linkname],
      ['symlink', '/usr/bin/python3'],
    );
    const hard = byName.get('lib/python3/z.py');
    assert.deepEqual([hard?.type, hard?.linkname], ['link', 'srv/env/lib/python3/a.py']);
  });

  it('is what the system’s own tar unpacks', async (t) => {
    const [folder, target] = [await openTree(t), await openTree(t)];
    await fill(folder, 'forth', new Date());
    const { stdout } = await pack(folder);
    system('tar', ['xzf', '-', '-C', target, '--no-same-owner'], stdout);
    system('diff', ['-r', '--no-dereference', folder, join(target, 'srv/env')]);
  });

  it('holds nothing of what a link leads to, be it a secret, a folder or the whole machine', async (t) => {
    const folder = await openTree(t);
    const outside = await openTree(t);
    await writeFile(join(outside, 'config.json'), 'the push secret');
    await symlink(join(outside, 'config.json'), join(folder, 'leak'));
    await symlink(outside, join(folder, 'folder'));
    await symlink('/', join(folder, 'root'));
    await symlink('../'.repeat(20), join(folder, 'up'));
    await symlink('loop', join(folder, 'loop'));
    const { stdout } = await pack(folder);
    const tar = gunzipSync(stdout);
    assert.ok(!tar.includes('the push secret'));
    const entries = await entriesOf(tar);
    assert.deepEqual(
      entries.slice(2).map(({ name, type, size }) => [name, type, size]),
      ['folder', 'leak', 'loop', 'root', 'up'].map((name) => [`srv/env/${name}`, 'symlink', 0]),
    );
  });

  it('of a folder that is a link is refused: the environment itself is never one', async (t) => {
    const [folder, outside] = [await openTree(t), await openTree(t)];
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(folder, 'env'));
    const { status, stdout } = await pack(join(folder, 'env'));
    assert.notEqual(status, 0);
    assert.equal(stdout.length, 0);
  });

  it('leaves out, with a line each, what no image can hold', async (t) => {
    const folder = await openTree(t);
    system('mkfifo', [join(folder, 'pipe')]);
    await mkdir(join(folder, '.wh.folder'));
    await writeFile(join(folder, '.wh.folder', 'inside'), 'hidden');
    await writeFile(join(folder, '.wh..wh..opq'), '');
    await writeFile(join(folder, 'kept'), 'kept');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
    const { stdout, lines } = await pack(folder);
    await new Promise((resolve) => server.close(resolve));
    const entries = await entriesOf(gunzipSync(stdout));
    assert.deepEqual(
      entries.map(({ name }) => name.replace(/\/$/, '')),
      ['srv', 'srv/env', 'srv/env/kept'],
    );
    assert.deepEqual(lines, [
      'Left out: srv/env/.wh..wh..opq, which is a name by which layers remove files.',
      'Left out: srv/env/.wh.folder, which is a name by which layers remove files.',
      'Left out: srv/env/pipe, which is a pipe.',
      'Left out: srv/env/socket, which is a socket.',
    ]);
  });

  it('keeps a name that is no text', async (t) => {
    const folder = await openTree(t);
    const name = Buffer.concat([Buffer.from(`${folder}/latin-`), Buffer.from([0xe9, 0x0a])]);
    await writeFile(name, 'x');
    const { stdout } = await pack(folder);
    const target = await openTree(t);
    system('tar', ['xzf', '-', '-C', target, '--no-same-owner'], stdout);
    system('diff', ['-r', folder, join(target, 'srv/env')]);
  });

  it('refuses names that leave their folder, as a broken file system may list them', async () => {
    const refused = await scripts.evaluate(
      `import layer_tree
def refuses(name):
    try:
        layer_tree.check("srv/env", name)
        return False
    except layer_tree.CannotPack:
        return True
print(json.dumps([refuses(name) for name in given]))`,
      ['..', '.', '', '../x', 'a/b', '/etc', 'a\0b', 'a', '...', '..a'],
    );
    assert.deepEqual(refused, [true, true, true, true, true, true, true, false, false, false]);
  });

  it('refuses what is larger or deeper than an image may be, before a byte is packed', async (t) => {
    const sparse = await openTree(t);
    await writeFile(join(sparse, 'huge'), '');
    await truncate(join(sparse, 'huge'), 2 ** 40);
    const deep = await openTree(t);
    await mkdir(join(deep, 'd/'.repeat(200)), { recursive: true });
    const long = await openTree(t);
    await mkdir(join(long, ...Array.from({ length: 20 }, () => 'l'.repeat(190))), { recursive: true });
    for (const folder of [sparse, deep, long]) {
      const { status, stdout, lines } = await pack(folder);
      assert.equal(status, 1);
      assert.equal(stdout.length, 0);
      assert.match(lines.at(-1) ?? '', /larger than an image may be|lies too deep|too long a path/);
    }
  });

  it('is made piece by piece: a large tree takes no more memory than a small one', async (t) => {
    const peakOf = async (bytes: number): Promise<number> => {
      const folder = await openTree(t);
      await writeFile(join(folder, 'big'), '');
      await truncate(join(folder, 'big'), bytes);
      const code = `import resource, pack_layer
layer = pack_layer.Layer(given, "srv/env", print, "gzip")
size = sum(len(chunk) for chunk in layer.chunks())
print(json.dumps([size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))`;
      const [size, kilobytes] = (await scripts.evaluate(code, folder)) as [number, number];
      assert.ok(size > 0);
      return kilobytes;
    };
    const [small, large] = [await peakOf(1_000), await peakOf(400_000_000)];
    assert.ok(large - small < 20_000, `${small} kB, and ${large} kB`);
  });

  it('that changes while it is packed is refused', async (t) => {
    const folder = await openTree(t);
    await writeFile(join(folder, 'a'), 'x'.repeat(10_000));
    const code = `import os, pack_layer
def attempt(change):
    with open(given + "/b", "w") as file:
        file.write("y" * 5000)
    layer = pack_layer.Layer(given, "srv/env", print, "gzip")
    tar = layer.tar()
    for chunk in tar:
        if b"srv/env/a" in chunk:
            change(given + "/b")
            break
    try:
        for _ in tar:
            pass
        return None
    except pack_layer.CannotPack as refused:
        return str(refused)
def shorten(path):
    os.truncate(path, 10)
def swap(path):
    os.unlink(path)
    os.mkfifo(path)
print(json.dumps([attempt(shorten), attempt(swap)]))`;
    const [shortened, swapped] = (await scripts.evaluate(code, folder)) as (string | null)[];
    // Looked at anew, the file has its new size, so a shortened one is simply that.
    assert.equal(shortened, null);
    assert.match(swapped ?? '', /srv\/env\/b changed/);
  });

  if (zstd)
    it('may be compressed by zstd, to the same content', async (t) => {
      const folder = await openTree(t);
      await fill(folder, 'forth', new Date());
      const { stdout, packed } = await pack(folder, 'zstd');
      const raw = system('zstd', ['-dc'], stdout);
      assert.equal(sha256(raw), packed?.diffId);
      assert.equal((await pack(folder)).packed?.diffId, packed?.diffId);
    });
});
