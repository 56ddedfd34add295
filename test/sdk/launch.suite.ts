import { expect } from 'chai';
import { isTerminal, type ReceivedEvent } from '../../sdk/contract/index.ts';
import type { LiveleafError } from '../../sdk/errors.ts';
import { createLaunch } from '../../sdk/launch.ts';
import type { World } from '../../sdk/world.ts';
import { fastWorld, getJson, readAll, rejection, type SuiteTools } from './tools.suite.ts';

interface Seen {
  readonly spec: string;
  readonly streams: number;
  readonly posts: number;
  readonly cancelled: boolean;
  readonly lastEventIds: readonly (string | null)[];
}

const LINES = [
  'fetching 1 Cloning',
  'fetching 2 Done',
  'building 1 Resolved 3 packages',
  'building 2 \u001b[32mnumpy\u001b[0m 50%\r100%',
  'building 3 Über 🌱 <b>&amp;</b>',
  'launching 1 Starting the kernel',
];

const linesOf = (events: readonly ReceivedEvent[]): string[] =>
  events.flatMap((event) => ('line' in event ? [`${event.phase} ${event.line} ${event.message}`] : []));

const terminals = (events: readonly ReceivedEvent[]): string[] =>
  events.filter(isTerminal).map((event) => (event.phase === 'failed' ? event.code : event.phase));

/** Launches over the native protocol, against the fake hub; `cutStep` is the distance between the bytes cut at. */
export const launchSuite = ({ describe, it, addressOf }: SuiteTools, cutStep: number): void => {
  let runs = 0;
  const launch = createLaunch(fastWorld(20));
  /** A spec of its own for each run, since the hub counts by spec; the ref names the faults. */
  const specOf = (faults: string) => `gh/owner/run-${(runs += 1)}/${faults}`;
  const start = (faults: string, options: { signal?: AbortSignal } = {}) => {
    const spec = specOf(faults);
    return { spec, running: launch(spec, { hub: addressOf('fakeHub'), ...options }) };
  };
  const seen = async (spec: string): Promise<Seen[]> =>
    (await getJson<Seen[]>(`${addressOf('fakeHub')}/launches`)).filter((entry) => entry.spec === spec);

  describe('launch, over the native protocol', () => {
    it('yields the events in order and resolves with the server', async () => {
      const { running } = start('HEAD');
      const events = await readAll(running);
      expect(events.map((event) => event.phase)).to.deep.equal(
        'waiting fetching fetching building building building built launching ready'.split(' '),
      );
      const server = await running.server;
      expect(server.kind).to.equal('liveleaf');
      expect(server.url).to.equal(`${addressOf('fakeHub')}/user/abc/`);
      expect(server.kernel?.name).to.equal('python3');
    });

    it('sees each log line once and one end, wherever the stream is cut', async () => {
      let resumed = 0;
      for (let from = 0; from < 1_700; from += 20 * cutStep) {
        const positions = Array.from({ length: 20 }, (_, index) => from + index * cutStep);
        await Promise.all(
          positions.map(async (position) => {
            const { spec, running } = start(`cut=${position}`);
            const events = await readAll(running);
            expect(linesOf(events), `cut at byte ${position}`).to.deep.equal(LINES);
            expect(terminals(events), `cut at byte ${position}`).to.deep.equal(['ready']);
            const entries = await seen(spec);
            expect(entries, 'launches begun').to.have.length(1);
            if (entries[0]!.streams > 1) resumed += 1;
          }),
        );
      }
      // The stream is some 1,500 bytes long; what was cut within it was resumed.
      expect(resumed * cutStep).to.be.within(1_000, 1_700);
    });

    it('goes on where it was through many cuts, and says so', async () => {
      const { spec, running } = start('cuts=5');
      const states: string[] = [];
      running.onConnection((state) => states.push(state));
      const events = await readAll(running);
      expect(linesOf(events)).to.deep.equal(LINES);
      expect(states.filter((state) => state === 'reconnecting')).to.have.length(5);
      expect(states.at(-1)).to.equal('open');
      const [entry] = await seen(spec);
      expect(entry?.lastEventIds[0] ?? null).to.equal(null);
      expect(entry?.lastEventIds[1]).to.match(/^[\w-]+\.0\.0$/);
      expect(entry?.lastEventIds[5]).to.match(/^[\w-]+\.2\.2$/);
    });

    /** A world whose page can be woken by the test. */
    const wakeable = (factor: number) => {
      const listeners = new Set<(reason: 'online' | 'visible') => void>();
      const world: World = {
        ...fastWorld(factor),
        onWake: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
      return { world, wake: () => listeners.forEach((listener) => listener('online')) };
    };

    it('asks at once when the page wakes, however long the pause was to be', async () => {
      const { world, wake } = wakeable(1);
      const running = createLaunch(world)(specOf('status=503,after=50'), { hub: addressOf('fakeHub') });
      const began = Date.now();
      const retrying = new Promise<void>((resolve) =>
        running.onConnection((state) => state === 'reconnecting' && resolve()),
      );
      const all = readAll(running);
      await retrying;
      await new Promise((resolve) => setTimeout(resolve, 100));
      wake();
      expect(terminals(await all)).to.deep.equal(['ready']);
      expect(Date.now() - began).to.be.lessThan(20_000);
    });

    it('does not wait out a stream that went silent in its sleep', async () => {
      // Ten times as fast, the 40 s of patience are four, and the 16 s after waking less than two.
      const { world, wake } = wakeable(10);
      const spec = specOf('silence=1');
      const running = createLaunch(world)(spec, { hub: addressOf('fakeHub') });
      const all = readAll(running);
      const began = Date.now();
      await new Promise((resolve) => setTimeout(resolve, 200));
      wake();
      expect(terminals(await all)).to.deep.equal(['ready']);
      expect(Date.now() - began).to.be.lessThan(3_700);
      expect((await seen(spec))[0]?.posts).to.equal(1);
    });

    for (const fault of ['postcut', 'bodycut'])
      it(`asks again with the same key when the answer to its request was lost (${fault})`, async () => {
        const { spec, running } = start(`${fault}=1`);
        expect(terminals(await readAll(running))).to.deep.equal(['ready']);
        const entries = await seen(spec);
        expect(entries).to.have.length(1);
        expect(entries[0]?.posts).to.be.greaterThan(1);
      });

    it('retries a hub that is briefly unable, on both requests', async () => {
      for (const faults of ['status=503,times=2', 'status=502', 'streamstatus=502,times=2', 'streamstatus=429']) {
        const events = await readAll(start(faults).running);
        expect(linesOf(events), faults).to.deep.equal(LINES);
      }
    });

    it('waits as long as the hub asks for, and no longer than makes sense', async () => {
      const begun = Date.now();
      await readAll(start('status=503,times=1,after=20').running);
      // 20 s, twenty times as fast.
      expect(Date.now() - begun).to.be.within(980, 10_000);
      const error = (await rejection(start('status=429,times=1,after=3600').running.server)) as LiveleafError;
      expect(error.code).to.equal('rate_limited');
      expect(error.retryAfterMs).to.equal(3_600_000);
    });

    it('takes a stream without a byte for 40 s as broken', async () => {
      const { spec, running } = start('silence=1');
      expect(linesOf(await readAll(running))).to.deep.equal(LINES);
      expect((await seen(spec))[0]?.streams).to.equal(2);
    });

    it('begins again under the same key when the hub lost the launch, repeating no line', async () => {
      const { spec, running } = start('lost=2');
      const events = await readAll(running);
      expect(linesOf(events)).to.deep.equal(LINES);
      expect(terminals(events)).to.deep.equal(['ready']);
      expect(await seen(spec)).to.have.length(1);
    });

    it('gives up on a launch that is lost each time', async () => {
      const { running } = start('lost=100');
      expect(terminals(await readAll(running))).to.deep.equal(['not_found']);
    });

    it('hands a refusal on at once, with its code and sentence', async () => {
      const { spec, running } = start('problem=not_allowed');
      const events = await readAll(running);
      expect(events).to.have.length(1);
      expect(terminals(events)).to.deep.equal(['not_allowed']);
      const error = await rejection(running.server);
      expect(error.code).to.equal('not_allowed');
      expect(error.message).to.equal('This hub does not run that repository.');
      expect(await seen(spec)).to.have.length(0);
    });

    it('tells of a failed build by file, line and package, with the end of the log', async () => {
      const { running } = start('fail=1');
      expect(terminals(await readAll(running))).to.deep.equal(['build_failed']);
      const error = (await rejection(running.server)) as LiveleafError;
      expect(error.detail).to.deep.equal({ file: 'requirements.txt', line: 2, package: 'nmpy' });
      expect(error.retryable).to.equal(false);
      expect(error.logTail?.at(-1)).to.equal('Starting the kernel');
    });

    it('asks why, where a stream ends without saying it', async () => {
      expect(terminals(await readAll(start('ended=1').running))).to.deep.equal(['session_lost']);
    });

    it('cancels on the hub and ends with one event', async () => {
      const { spec, running } = start('waits=1');
      const events: ReceivedEvent[] = [];
      for await (const event of running) {
        events.push(event);
        if (event.phase === 'launching') void running.cancel();
      }
      expect(terminals(events)).to.deep.equal(['cancelled']);
      expect((await seen(spec))[0]?.cancelled).to.equal(true);
    });

    it('stops waiting on a signal and leaves the launch alone', async () => {
      const controller = new AbortController();
      const { spec, running } = start('waits=1', { signal: controller.signal });
      const events: ReceivedEvent[] = [];
      for await (const event of running) {
        events.push(event);
        if (event.phase === 'launching') controller.abort(new Error('the reader left'));
      }
      expect(terminals(events)).to.deep.equal([]);
      const error = await rejection(running.server);
      expect(error.code).to.equal('cancelled');
      expect((error.cause as Error).message).to.equal('the reader left');
      expect((await seen(spec))[0]?.cancelled).to.equal(false);
    });

    it('does nothing at all on a signal that was aborted before', async () => {
      const { spec, running } = start('HEAD', { signal: AbortSignal.abort() });
      expect(await readAll(running)).to.deep.equal([]);
      expect(await seen(spec)).to.have.length(0);
    });

    it('refuses a second pass with a sentence', async () => {
      const { running } = start('HEAD');
      await readAll(running);
      expect(() => running[Symbol.asyncIterator]()).to.throw('A launch can be iterated only once');
    });

    it('drops nothing for a slow reader', async () => {
      const { running } = start('lines=5000');
      let count = 0;
      for await (const event of running) {
        if (event.phase !== 'launching') continue;
        count += 1;
        if (count % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(count).to.equal(5_001);
    });

    it('says how much was not kept for a reader that came late', async () => {
      const { running } = start('lines=3000');
      await running.server;
      const events = await readAll(running);
      expect(events).to.have.length(1_001);
      expect(events[0]?.phase).to.equal('unknown');
      expect(events[0])
        .to.have.property('message')
        .match(/^2009 earlier events were not kept/);
    });

    it('turns specs that cannot be one into bad_spec, asking nobody', async () => {
      const before = await getJson<string[]>(`${addressOf('fakeHub')}/requests`);
      const hostile = [
        '',
        'gh',
        '/gh/a/b',
        'gh/../../etc',
        'gh/a/b/HEAD?x=1',
        'gh/a/b#c',
        'gh/a/b c',
        `gh/${'a'.repeat(3_000)}`,
      ];
      for (const spec of hostile) {
        const error = await rejection(launch(spec, { hub: addressOf('fakeHub') }).server);
        expect(error.code, JSON.stringify(spec)).to.equal('bad_spec');
      }
      const half = { provider: 'gh', repo: 'a/\ud800', ref: 'HEAD' } as const;
      expect((await rejection(launch(half, { hub: addressOf('fakeHub') }).server)).code).to.equal('bad_spec');
      const after = await getJson<string[]>(`${addressOf('fakeHub')}/requests`);
      expect(after.slice(before.length)).to.deep.equal(['GET /requests']);
    });

    it('gives up on a hub that is not there after a few tries, with one event', async () => {
      const running = launch('gh/a/b/HEAD', { hub: 'http://127.0.0.1:9' });
      const states: number[] = [];
      running.onConnection((_, attempt) => states.push(attempt));
      expect(terminals(await readAll(running))).to.deep.equal(['hub_unreachable']);
      expect((await rejection(running.server)).message).to.contain('http://127.0.0.1:9');
      expect(states).to.deep.equal([1, 2, 3, 4]);
    });

    it('tells an address that is no hub from a hub', async () => {
      const running = launch('gh/a/b/HEAD', { hub: `${addressOf('fakeHub')}/nothing` });
      expect((await rejection(running.server)).message).to.contain('neither as a Liveleaf hub nor as a BinderHub');
      for (const hub of ['', 'hub', 'ftp://hub', 'https://user:secret@hub.example']) {
        const error = await rejection(launch('gh/a/b/HEAD', { hub }).server);
        expect(error.message, hub).to.contain('no address of a hub');
      }
    });

    it('lets the hub judge what it may know better, such as a root by its dot', async () => {
      const running = launch('dir/demo/./HEAD', { hub: addressOf('fakeHub') });
      expect(terminals(await readAll(running))).to.deep.equal(['ready']);
      expect((await seen('dir/demo/./HEAD')).length).to.be.greaterThan(0);
    });

    it('puts the launch token into no address', async () => {
      await readAll(start('HEAD').running);
      const requests = await getJson<string[]>(`${addressOf('fakeHub')}/requests`);
      expect(requests.filter((line) => /token|bearer/i.test(line))).to.deep.equal([]);
    });
  });
};
