import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, symlink, writeFile, chmod, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensurePythonSide, findPython, MissingPrerequisite, requireGit } from '../../server/python-side.ts';

const REQUIREMENTS = 'uv==0.13.9\n';

/** A Python that answers its version, makes venvs with stand-ins for pip and uv, and writes down how it was called. */
const fakePython = (version: string, venv: string) => `#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *version_info*) echo ${version} ;;
  '-m venv '*) ${venv} ;;
esac
`;

const GOOD_VENV =
  'mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; printf "#!/bin/sh\\nprintf \\"uv %%s\\\\n\\" \\"\\$*\\" >> \\"\\$CALLS\\"\\n" > "$3/bin/uv"; chmod +x "$3/bin/uv"';
const NO_VENV =
  'echo "The virtual environment was not created successfully because ensurepip is not available."; exit 1';

describe('the Python side', () => {
  let folder: string;
  let bin: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-python-side-'));
    bin = join(folder, 'bin');
    await mkdir(bin);
    for (const tool of ['sh', 'mkdir', 'cp', 'chmod', 'printf'])
      await symlink(`/bin/${tool}`, join(bin, tool)).catch(() => symlink(`/usr/bin/${tool}`, join(bin, tool)));
    await writeFile(join(folder, 'requirements.txt'), REQUIREMENTS);
  });
  after(() => rm(folder, { recursive: true }));

  const install = async (name: string, version: string, venv: string): Promise<void> => {
    await writeFile(join(bin, name), fakePython(version, venv));
    await chmod(join(bin, name), 0o755);
  };
  const env = () => ({ PATH: bin, CALLS: join(folder, 'calls') });
  const ensure = (name: string) =>
    ensurePythonSide({
      folder: join(folder, name),
      requirements: join(folder, 'requirements.txt'),
      say: () => {},
      env: env(),
    });

  it('names the cure where there is no Python', async () => {
    await assert.rejects(
      findPython(env()),
      (error: Error) =>
        error instanceof MissingPrerequisite &&
        /Python 3\.10 or newer was not found; install it .*apt install python3/.test(error.message),
    );
  });

  it('names what was found where Python is too old', async () => {
    await install('python3', '3.8.2', GOOD_VENV);
    await assert.rejects(findPython(env()), /Python 3\.10 or newer is needed, and only 3\.8\.2 was found/);
  });

  it('takes a numbered one where the plain one is too old', async () => {
    await install('python3.12', '3.12.1', GOOD_VENV);
    assert.deepEqual(await findPython(env()), { command: 'python3.12', version: '3.12.1' });
  });

  it('names the package of the distribution where Python has no venv', async () => {
    await install('python3', '3.11.2', NO_VENV);
    await assert.rejects(
      ensure('none'),
      (error: Error) => error instanceof MissingPrerequisite && /apt install python3\.11-venv/.test(error.message),
    );
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.lock')),
      [],
    );
  });

  it('is made once by ten starts at once, and again when a requirement changes', async () => {
    await install('python3', '3.11.2', GOOD_VENV);
    await writeFile(env().CALLS, '');
    const made = await Promise.all(Array.from({ length: 10 }, () => ensure('side')));
    assert.equal(new Set(made.map((side) => side.python)).size, 1);
    const count = async () =>
      (await readFile(env().CALLS, 'utf8')).split('\n').filter((line) => line.startsWith('-m venv')).length;
    assert.equal(await count(), 1);
    await ensure('side');
    assert.equal(await count(), 1);
    await writeFile(join(folder, 'requirements.txt'), `${REQUIREMENTS}# changed\n`);
    await ensure('side');
    assert.equal(await count(), 2);
  });

  it('names the cure where there is no git', async () => {
    await assert.rejects(requireGit(env()), /git was not found; install it .*apt install git/);
    await requireGit(process.env);
  });
});
