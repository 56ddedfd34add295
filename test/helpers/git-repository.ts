import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';

/** A file's content, or its content with a mode of git's; `null` removes the path. A `160000` entry's content is a commit id. */
type FileContent =
  | string
  | Uint8Array
  | null
  | { readonly mode: '100644' | '100755' | '120000' | '160000'; readonly content: string | Uint8Array };

export type Files = Readonly<Record<string, FileContent>>;

/** Runs git in a folder, with no configuration of this machine, and returns what it printed. */
export const runGit = (folder: string, args: readonly string[], input?: string | Uint8Array): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('git', args, {
      cwd: folder,
      env: { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', HOME: folder },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(Buffer.concat(out).toString())
        : reject(new Error(`git ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString()}`)),
    );
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });

const quoted = (path: string): string =>
  `"${path.replace(/[\\"]/g, (sign) => `\\${sign}`).replace(/\n/g, String.raw`\n`)}"`;

const change = (path: string, file: FileContent): Buffer => {
  if (file === null) return Buffer.from(`D ${quoted(path)}\n`);
  const plain = typeof file === 'string' || file instanceof Uint8Array;
  const mode = plain ? '100644' : file.mode;
  const content = Buffer.from(plain ? file : file.content);
  if (mode === '160000') return Buffer.from(`M 160000 ${content.toString()} ${quoted(path)}\n`);
  return Buffer.concat([
    Buffer.from(`M ${mode} inline ${quoted(path)}\ndata ${content.length}\n`),
    content,
    Buffer.from('\n'),
  ]);
};

/** Makes an empty bare repository whose HEAD is `main`. */
export const initRepository = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true });
  await runGit(folder, ['init', '--quiet', '--bare', '--initial-branch=main', '.']);
};

let seconds = 1_700_000_000;

/** Puts a commit with these changes on top of a ref (created when absent) and returns its id. */
export const commitFiles = async (folder: string, files: Files, ref: string): Promise<string> => {
  const parent = await runGit(folder, ['rev-parse', '--quiet', '--verify', `${ref}^{commit}`]).catch(() => '');
  seconds += 1;
  await runGit(
    folder,
    ['fast-import', '--quiet'],
    Buffer.concat([
      Buffer.from(`commit ${ref}\ncommitter Test <test@example.org> ${seconds} +0000\ndata 4\ntest\n`),
      Buffer.from(parent === '' ? '' : `from ${parent.trim()}\n`),
      ...Object.entries(files).map(([path, file]) => change(path, file)),
    ]),
  );
  return (await runGit(folder, ['rev-parse', '--verify', `${ref}^{commit}`])).trim();
};
