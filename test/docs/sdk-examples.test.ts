import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { connectKernel, globalWorld, LiveleafError, type KernelConnection, type Server } from '../../sdk/index.ts';
import { startHubProcess, type HubProcess } from '../helpers/hub-process.ts';
import * as examples from './sdk-examples.ts';

const SPEC = 'dir/book/HEAD';
const root = join(import.meta.dirname, '..', '..');

/** A page's code, without indentation and empty lines, so that a block can be found wherever it stands. */
const plain = (code: string): string => code.replace(/^\s+|\s+$/gm, '').replace(/\n+/g, '\n');

const memoryStorage = (): Storage => {
  const items = new Map<string, string>();
  return {
    length: 0,
    key: () => null,
    clear: () => items.clear(),
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
};

it('every TypeScript block of docs/sdk.md is code of the examples that are run here', async () => {
  const page = await readFile(join(root, 'docs', 'sdk.md'), 'utf8');
  const code = plain(await readFile(join(import.meta.dirname, 'sdk-examples.ts'), 'utf8'));
  const blocks = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, block]) => block ?? '');
  assert.ok(blocks.length >= 8, `${blocks.length} blocks`);
  for (const block of blocks) {
    const imports = /^import \{ (.*) \} from 'liveleaf';\n+/.exec(block);
    for (const name of imports?.[1]?.split(', ') ?? []) assert.match(code, new RegExp(`^(type )?${name},$`, 'm'));
    const rest = plain(block.slice(imports?.[0].length ?? 0));
    assert.ok(code.includes(rest), `not among the examples:\n${rest}`);
  }
});

describe('the examples of docs/sdk.md, against a hub', () => {
  let hub: HubProcess;
  let folder: string;
  let server: Server;
  let kernel: KernelConnection;
  const lines: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'liveleaf-book-'));
    hub = await startHubProcess({ config: { dirs: { book: folder } } });
    const print = mock.method(console, 'log', (line: string) => void lines.push(line));
    server = await examples.follow(SPEC, hub.address);
    print.mock.restore();
    kernel = await connectKernel(server);
  });
  after(async () => {
    kernel?.dispose();
    await hub?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('follow a launch to its server', () => {
    assert.match(lines[0] ?? '', /^waiting: Looking up/);
    assert.ok(lines.some((line) => line.startsWith('building: ')));
    assert.equal(lines.at(-1), 'ready');
    assert.ok(server.url.startsWith(hub.sessionAddress));
  });

  it('run code and read its outputs', async () => {
    assert.deepEqual(await examples.run(server), { text: '42\n', status: 'ok' });
  });

  it('say why a launch failed', async () => {
    assert.match(
      await examples.explain('gh/owner/name/HEAD', hub.address),
      /^not_allowed: Sorry, gh\/owner\/name is not/,
    );
    assert.match(await examples.explain(SPEC, hub.address), /^Runs at http/);
  });

  it('hear of the connection, cancel, and stop waiting', async () => {
    assert.deepEqual(await examples.watchConnection(SPEC, hub.address), ['open 0']);
    const { url, token } = await examples.launchAndCancel(SPEC, hub.address);
    const answer = await fetch(`${url}api/status`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 410);
    const reason = await examples.stopWaiting(SPEC, hub.address);
    assert.ok(LiveleafError.isInstance(reason), String(reason));
    assert.equal(reason.code, 'cancelled');
  });

  it('answer, interrupt and complete', async () => {
    assert.equal(await examples.answerInput(kernel), 'Hello what was asked: Your name? \n');
    assert.equal(await examples.interrupt(kernel), 'KeyboardInterrupt');
    assert.ok((await examples.complete(kernel)).includes('dumps'));
  });

  it('remember a server in the tab', async () => {
    const storage = memoryStorage();
    const earlier = await examples.remember(hub.address, SPEC, server, { ...globalWorld(), storage: () => storage });
    assert.deepEqual(earlier, server);
    assert.equal(await examples.remember(hub.address, SPEC, server, globalWorld()), undefined);
  });

  it('speak BinderHub’s protocol', async () => {
    const running = examples.launchOnBinderHub(SPEC, hub.address);
    assert.equal((await running.server).kind, 'jupyter');
  });
});
