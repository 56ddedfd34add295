import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const root = join(import.meta.dirname, '..', '..');

/** Stands in for an engine: notes its arguments and the secrets it was lent, and fails as told. */
const ENGINE = `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const secrets = Object.fromEntries(
  args.filter((arg) => arg.startsWith('id=')).map((arg) => {
    const [, id, path] = /^id=(.*),src=(.*)$/.exec(arg);
    return [id, { path, text: readFileSync(path, 'utf8') }];
  }),
);
appendFileSync(process.env.NOTES, JSON.stringify({ args, secrets }) + '\\n');
const wrong = process.env.PYTHON_OF_BASE && args[0] === 'build' && !args.includes('PYTHON=' + process.env.PYTHON_OF_BASE);
if (wrong) console.error('#8 0.3 The base has another one: build with --build-arg PYTHON=' + process.env.PYTHON_OF_BASE + '.');
process.exit(wrong || args[0] === process.env.FAILS ? 1 : 0);
`;

interface Note {
  readonly args: readonly string[];
  readonly secrets: Readonly<Record<string, { path: string; text: string }>>;
}

describe('building the images', { timeout: 60_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'll-images-'));
    await writeFile(join(folder, 'podman'), ENGINE);
    await chmod(join(folder, 'podman'), 0o755);
    await writeFile(join(folder, 'ca.crt'), 'the certificates');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const build = async (args: readonly string[], change: Readonly<Record<string, string>> = {}) => {
    const notes = join(folder, 'notes');
    await rm(notes, { force: true });
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'images', 'build.mjs'), ...args], {
      encoding: 'utf8',
      env: { PATH: folder, NOTES: notes, ...change },
    });
    const lines = existsSync(notes) ? (await readFile(notes, 'utf8')).trim().split('\n') : [];
    return { status, stdout, stderr, calls: lines.map((line) => JSON.parse(line) as Note) };
  };

  it('builds on the base that was named, pushes, and prints the name', async () => {
    const args = ['session', '--base', 'session=example.org/debian:1', '--tag', 'try', '--push', 'example.org/team'];
    const { status, stdout, calls } = await build([...args, '--allow-http', '--', '--no-cache']);
    assert.equal(status, 0);
    assert.equal(stdout, 'example.org/team/liveleaf-session:try\n');
    const [, made, pushed] = calls.map((call) => call.args);
    assert.equal(made?.[0], 'build');
    for (const part of ['BASE=example.org/debian:1', '--tls-verify=false', '--no-cache', 'images/session/Dockerfile'])
      assert.ok(made?.includes(part), part);
    assert.deepEqual(pushed, ['push', '--tls-verify=false', 'example.org/team/liveleaf-session:try']);
  });

  it('lends the build this machine’s way to its packages, as files that are gone afterwards', async () => {
    const { calls } = await build(['session'], {
      PIP_INDEX_URL: "https://name:pass'word@index.example/simple",
      SSL_CERT_FILE: join(folder, 'ca.crt'),
    });
    const { args, secrets } = calls.at(-1) as Note;
    assert.ok(!args.some((arg) => arg.includes('index.example')));
    const say = 'echo "$PIP_INDEX_URL $UV_DEFAULT_INDEX $SSL_CERT_FILE"';
    const shown = spawnSync('sh', ['-c', `${secrets['network']?.text}${say}`], { encoding: 'utf8' });
    const index = "https://name:pass'word@index.example/simple";
    assert.equal(shown.stdout, `${index} ${index} /run/secrets/certificates\n`);
    assert.equal(secrets['certificates']?.text, 'the certificates');
    for (const { path } of Object.values(secrets)) assert.ok(!existsSync(path), path);
  });

  it('begins again where the base has another Python, unless it was told which', async () => {
    const again = await build(['session'], { PYTHON_OF_BASE: '3.12.1' });
    assert.equal(again.status, 0);
    assert.equal(again.calls.filter(({ args }) => args[0] === 'build').length, 2);
    const told = await build(['session', '--build-arg', 'PYTHON=3.13.0'], { PYTHON_OF_BASE: '3.12.1' });
    assert.equal(told.status, 1);
    assert.equal(told.calls.filter(({ args }) => args[0] === 'build').length, 1);
  });

  it('says in one sentence what is wrong', async () => {
    const tries: [readonly string[], Readonly<Record<string, string>>, RegExp][] = [
      [['sesion'], {}, /^There is no image "sesion"; there are session, hub\.\n$/],
      [['--base', 'hbu=x'], {}, /^There is no image "hbu"/],
      [['--base', 'session'], {}, /^--base was "session"; it is a name, "=" and a value\.\n$/],
      [['--engine', 'dcoker'], {}, /^There is no engine "dcoker"; there are docker, podman, buildah\.\n$/],
      [['--engine', 'podman'], { FAILS: 'info' }, /^podman does not answer here; `podman info` says why\.\n$/],
      [
        ['session'],
        { FAILS: 'build' },
        /Building liveleaf-session:\S+ failed with podman; the lines above say why\.\n$/,
      ],
      [['session', '--push', 'x'], { FAILS: 'push' }, /Pushing x\/liveleaf-session:\S+ failed with podman;/],
      [['--nonsense'], {}, /--help/],
    ];
    for (const [args, env, expected] of tries) {
      const { status, stdout, stderr } = await build(args, env);
      assert.equal(status, 1, args.join(' '));
      assert.match(stderr, expected);
      assert.equal(stdout, '');
    }
  });

  it('has a help that names every image and option', async () => {
    const { status, stdout } = await build(['--help']);
    assert.equal(status, 0);
    for (const word of ['session', 'hub', '--base', '--build-arg', '--tag', '--push', '--allow-http', '--engine'])
      assert.ok(stdout.includes(word), word);
  });
});

it('the session image has the uv that the hub’s own Python side has', async () => {
  const dockerfile = await readFile(join(root, 'images', 'session', 'Dockerfile'), 'utf8');
  const requirements = await readFile(join(root, 'server', 'python', 'requirements.txt'), 'utf8');
  assert.equal(/^ARG UV=(\S+)$/m.exec(dockerfile)?.[1], /^uv==(\S+)/m.exec(requirements)?.[1]);
});
