import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { BINDERHUB, parseEventId } from '../../sdk/contract/index.ts';
import { startWorld, type E2eWorld } from '../helpers/e2e-world.ts';

const LINES = 12;
const HELD = 6;
const PATIENCE_MS = 60_000;

interface Answer {
  readonly head: string;
  readonly body: string;
}

interface Event {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A client that reads a stream: all that came before it ended, or before `until` was seen in it and the connection was cut. */
type Client = (url: string, headers: readonly string[], until?: string) => Promise<Answer>;

/** Joins the chunks of a chunked body; one that was cut off is left out. */
const joined = (text: string): string => {
  let body = '';
  for (let rest = text; ;) {
    const end = rest.indexOf('\r\n');
    const length = Number.parseInt(rest.slice(0, end), 16);
    if (end < 0 || !(length > 0) || rest.length < end + 2 + length) return body;
    body += rest.slice(end + 2, end + 2 + length);
    rest = rest.slice(end + 4 + length);
  }
};

const bySocket: Client = async (url, headers, until) => {
  const { hostname, port, host, pathname } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding('latin1');
  socket.write([`GET ${pathname} HTTP/1.1`, `Host: ${host}`, ...headers, 'Connection: close', '', ''].join('\r\n'));
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`Nothing came from ${url} for a minute.`)));
  let text = '';
  for await (const piece of socket) {
    text += String(piece);
    if (until !== undefined && text.includes(until)) break;
  }
  socket.destroy();
  const end = text.indexOf('\r\n\r\n');
  const head = text.slice(0, end);
  const body = text.slice(end + 4);
  return { head, body: /^transfer-encoding: chunked$/im.test(head) ? joined(body) : body };
};

const byCurl: Client = async (url, headers, until) => {
  const child = spawn('curl', ['-sNi', '-m', '60', ...headers.flatMap((header) => ['-H', header]), url]);
  const closed = once(child, 'close');
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    if (until !== undefined && text.includes(until)) child.kill('SIGKILL');
  });
  await closed;
  const end = text.indexOf('\r\n\r\n');
  return { head: text.slice(0, end), body: text.slice(end + 4) };
};

const statusOf = ({ head }: Answer): string => /^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? head;

/** The events of a stream that are whole; each has an id. */
const eventsOf = ({ body }: Answer): readonly Event[] =>
  body
    .slice(0, body.lastIndexOf('\n\n') + 2)
    .split('\n\n')
    .filter((block) => /^data: /m.test(block))
    .map((block) => ({
      id: /^id: (.+)$/m.exec(block)?.[1] ?? '',
      data: JSON.parse(/^data: (.+)$/m.exec(block)![1]!) as Event['data'],
    }));

const steps = (events: readonly Event[]): readonly string[] =>
  events.map(({ data }) => String(data['message'])).filter((message) => message.startsWith('step '));

const expected = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => `step ${from + at}\n`);

describe('scripts that read the build stream', { timeout: 180_000 }, () => {
  let world: E2eWorld;
  before(async () => {
    world = await startWorld();
  });
  after(() => world?.end());

  const follow = async (name: string, client: Client): Promise<void> => {
    const { spec, paced } = await world.pacedRepo(name, { lines: LINES, holdAt: HELD });
    const url = world.hub.address.replace(/\/$/, '') + BINDERHUB.build(spec);

    let token: string | undefined;
    try {
      const first = await client(url, ['Accept: text/event-stream'], `step ${HELD}\\n`);
      assert.equal(statusOf(first), '200');
      assert.match(first.head, /^content-type: text\/event-stream/im);
      assert.match(first.body, /^(?:retry: \d+\n)?id: \S+\n\n/, 'the first bytes carry an id');
      const seen = eventsOf(first);
      const last = seen.at(-1)!;
      token = parseEventId(last.id)?.launch;
      assert.ok(seen.every(({ id }) => parseEventId(id)?.launch === token));
      assert.deepEqual(
        seen.map(({ data }) => data['phase']).filter((phase, at, all) => phase !== all[at - 1]),
        ['waiting', 'fetching', 'building'],
      );

      await world.builds.go(paced);
      const second = await client(url, [`Last-Event-ID: ${last.id}`], '"phase":"ready"');
      assert.equal(statusOf(second), '200');
      const more = eventsOf(second);
      assert.deepEqual([...steps(seen), ...steps(more)], expected(1, LINES));
      const lines = more.filter(({ data }) => data['phase'] === 'building');
      assert.equal(lines[0]?.data['line'], Number(last.data['line']) + 1);

      // The end is told again until its own id is presented, then no more.
      const third = await client(url, [`Last-Event-ID: ${lines.at(-1)!.id}`]);
      const ready = eventsOf(third).at(-1)!;
      assert.equal(ready.data['phase'], 'ready', third.body);
      assert.equal(ready.data['message'], `server running at ${String(ready.data['url'])}\n`);
      assert.equal(eventsOf(third).filter(({ data }) => data['phase'] === 'building').length, 0);
      const fourth = await client(url, [`Last-Event-ID: ${ready.id}`]);
      assert.equal(statusOf(fourth), '204');
      assert.equal(fourth.body, '');

      assert.equal(await world.builds.runs(paced), 1);
      assert.equal((await world.records()).length, 1);
      const { url: session, token: sessionToken } = ready.data;
      const status = await client(`${String(session)}api/status`, [`Authorization: token ${String(sessionToken)}`]);
      assert.equal(statusOf(status), '200');
    } finally {
      await world.builds.go(paced);
      await world.cancelToken(token);
    }
    await world.stopAll();
  };

  it('by raw sockets: cut in the middle of a build, they go on with the next line', () => follow('raw', bySocket));

  it('by curl -N: cut in the middle of a build, they go on with the next line', () => follow('curl', byCurl));
});
