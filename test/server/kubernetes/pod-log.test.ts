import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock, type Clock } from '../../../server/clock.ts';
import type { KubernetesApi, V1Pod } from '../../../server/kubernetes/kubernetes-api.ts';
import { createKubernetesClient, type KubernetesClient } from '../../../server/kubernetes/kubernetes-client.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { followPodLog, type PodLogItem, type PodLogOptions } from '../../../server/kubernetes/pod-log.ts';
import { startFakeApiserver, type FakeApiserver, type FakeLog } from '../../helpers/fake-apiserver.ts';
import { hang, refusal, resetAfter } from '../../helpers/fake-apiserver-faults.ts';
import { createSteeredClock, settle } from '../../helpers/steered-clock.ts';

const NAMESPACE = 'builds';
const never = new AbortController().signal;

/** A numbered log with its times, four lines a second. */
const timed = (lines: readonly string[]): { time: string; text: string }[] => {
  const numbered = lines.map((line, index) => `${index + 1} ${line}`);
  const digest = createHash('sha256').update(numbered.map((line) => `${line}\n`).join(''));
  return [...numbered, `END ${lines.length} ${digest.digest('hex')}`].map((text, index) => ({
    time: new Date(1_800_000_000_000 + index * 250).toISOString(),
    text,
  }));
};

const podWith = (phase: string, state?: object): V1Pod => ({
  status: { phase, ...(state ? { containerStatuses: [{ name: 'main', state } as never] } : {}) },
});
const RUNNING = podWith('Running', { running: {} });
const ENDED = podWith('Succeeded', { terminated: { exitCode: 0 } });
const WAITING = podWith('Pending', { waiting: {} });

const collect = async (log: AsyncIterable<PodLogItem>) => {
  const items: PodLogItem[] = [];
  for await (const item of log) items.push(item);
  const last = items.pop();
  assert.equal(last?.kind, 'end', 'a log ends with how it ended');
  const lines = items.map((item) =>
    item.kind === 'line' ? ([item.line, item.text] as const) : assert.fail('two ends'),
  );
  return { lines, end: last?.kind === 'end' ? last : assert.fail() };
};

/** A clock on which every wait is over at once. */
const hastyClock: Clock = { ...systemClock, sleep: (_, signal) => settle().then(() => signal?.throwIfAborted()) };

describe('the log of a container', () => {
  /** Follows what readings give, one after the other; the last one again and again. */
  const follow = async (
    readings: readonly ((sinceTime: string | undefined) => AsyncIterable<string>)[],
    pods: readonly (V1Pod | Error)[],
    fromLine = 1,
    options: Partial<PodLogOptions> = {},
  ) => {
    let reading = 0;
    let look = 0;
    const api: Pick<KubernetesApi, 'getPod' | 'podLog'> = {
      podLog: (_namespace, _name, { sinceTime }) => readings[Math.min(reading++, readings.length - 1)]!(sinceTime),
      getPod: () => {
        const pod = pods[Math.min(look++, pods.length - 1)]!;
        return pod instanceof Error ? Promise.reject(pod) : Promise.resolve(pod);
      },
    };
    const world = { api, namespace: NAMESPACE, pod: 'build', container: 'main', clock: hastyClock, silenceMs: 2 ** 31 };
    const clock = {
      ...hastyClock,
      sleep: (ms: number, signal?: AbortSignal) =>
        ms === 2 ** 31
          ? new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
          : hastyClock.sleep(ms, signal),
    };
    return { ...(await collect(followPodLog({ ...world, clock, ...options }, fromLine, never))), readings: reading };
  };
  /** Gives what is there from a second on, up to so many characters, then breaks off or ends. */
  const reading = (log: readonly { time: string; text: string }[], upTo = Infinity, error?: Error) =>
    async function* (sinceTime: string | undefined) {
      const since = Date.parse(sinceTime ?? '1970-01-01T00:00:00Z');
      const whole = log
        .filter(({ time }) => Date.parse(time) >= since)
        .map(({ time, text }) => `${time} ${text}\n`)
        .join('')
        .slice(0, upTo);
      const cut = whole.lastIndexOf('\n') + 1;
      if (cut > 0) yield whole.slice(0, cut);
      if (error) throw error;
      if (cut < whole.length) yield whole.slice(cut);
    };
  const cut = new KubernetesError(0, 'Cut', 'cut');
  const numbered = (lines: readonly string[], from = 1) =>
    lines.map((line, index) => [index + 1, line] as const).slice(from - 1);

  it('gives each line once and in order, and is complete, wherever it is cut and however', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((line) => !/[\n\r]/.test(line));
    const breach = fc.record({ upTo: fc.nat(400), isClean: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 25 }),
        fc.array(breach, { maxLength: 8 }),
        fc.integer({ min: 1, max: 30 }),
        async (lines, breaches, fromLine) => {
          const log = timed(lines);
          const broken = breaches.map(({ upTo, isClean }) => reading(log, upTo, isClean ? undefined : cut));
          const { lines: given, end } = await follow([...broken, reading(log)], [RUNNING], fromLine);
          assert.deepEqual(given, numbered(lines, fromLine));
          const { length } = lines;
          assert.deepEqual(end, { kind: 'end', reason: 'complete', isTruncated: false, lines: length, missing: 0 });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('goes on at the last whole second instead of reading all of it again', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const log = timed(lines);
    const asked: (string | undefined)[] = [];
    const noting = (read: ReturnType<typeof reading>) => (since: string | undefined) => (
      asked.push(since),
      read(since)
    );
    const { lines: given } = await follow([noting(reading(log, 400, cut)), noting(reading(log))], [RUNNING]);
    assert.deepEqual(given, numbered(lines));
    assert.equal(asked[0], undefined);
    assert.match(asked[1] ?? '', /^2027-01-15T08:00:0[1-3]Z$/);
  });

  it('is truncated where its container ended without the mark, which is looked for from the beginning first', async () => {
    const log = timed(['one', 'two', 'three']).slice(0, 2);
    const { lines, end, readings } = await follow([reading(log)], [RUNNING, ENDED]);
    assert.deepEqual(lines, numbered(['one', 'two']));
    assert.deepEqual(end, { kind: 'end', reason: 'unfinished', isTruncated: true, lines: 2, missing: 0 });
    assert.equal(readings, 3);
  });

  it('gets what came with the container’s end, after the reading that missed it', async () => {
    const log = timed(['one', 'two', 'three']);
    const { lines, end } = await follow([reading(log, 40), reading(log)], [ENDED]);
    assert.deepEqual([lines, end.reason], [numbered(['one', 'two', 'three']), 'complete']);
  });

  it('says how many lines are missing', async () => {
    const log = timed(['one', 'two', 'three', 'four']);
    log.splice(1, 2);
    const { lines, end } = await follow([reading(log)], [RUNNING]);
    assert.deepEqual(lines, [
      [1, 'one'],
      [4, 'four'],
    ]);
    assert.deepEqual(end, { kind: 'end', reason: 'incomplete', isTruncated: true, lines: 4, missing: 2 });
  });

  it('is complete though the node’s clock is set to and fro, for then it is read from its beginning', async () => {
    const line = fc.record({ text: fc.constantFrom('a', 'bb', 'ccc'), second: fc.nat(5) });
    const breach = fc.record({ upTo: fc.nat(300), isClean: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 12 }),
        fc.array(breach, { maxLength: 6 }),
        fc.boolean(),
        async (lines, breaches, runs) => {
          const texts = lines.map(({ text }) => text);
          const log = timed(texts).map(({ text }, index) => ({
            time: new Date(1_800_000_000_000 + (lines[index]?.second ?? 0) * 1_000).toISOString(),
            text,
          }));
          const broken = breaches.map(({ upTo, isClean }) => reading(log, upTo, isClean ? undefined : cut));
          const looks = runs ? [...breaches.map(() => RUNNING), ENDED] : [ENDED];
          // A container that has ended is not read again and again where readings end too early in order.
          const readings = runs ? broken : breaches.map(({ upTo }) => reading(log, upTo, cut));
          const { lines: given, end } = await follow([...readings, reading(log)], looks);
          assert.deepEqual([given, end.reason], [numbered(texts), 'complete']);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('waits while its container waits, and while the API is away', async () => {
    const away = new KubernetesError(0, 'Unreachable', 'away');
    const waits = () => {
      throw new KubernetesError(400, 'BadRequest', 'waiting to start');
    };
    const log = timed(['one']);
    const { lines, end } = await follow([waits, reading(log)], [WAITING, away, {}, RUNNING]);
    assert.deepEqual([lines, end.reason], [numbered(['one']), 'complete']);
  });

  it('is over where its pod ended without its container', async () => {
    const { lines, end } = await follow([reading([])], [WAITING, podWith('Failed', { waiting: {} })]);
    assert.deepEqual([lines, end.reason, end.isTruncated], [[], 'unstarted', true]);
  });

  it('is over where its pod is gone', async () => {
    const gone = new KubernetesError(404, 'NotFound', 'gone');
    const { lines, end } = await follow([reading(timed(['one', 'two']), 40)], [RUNNING, gone]);
    assert.deepEqual([lines, end.reason, end.isTruncated], [numbered(['one']), 'gone', true]);
  });

  it('is given up where its container has ended and its log cannot be read', async () => {
    const broken = () => {
      throw new KubernetesError(500, 'InternalError', 'no such file');
    };
    const { end, readings } = await follow([broken], [ENDED]);
    assert.deepEqual([end.reason, end.isTruncated], ['unreadable', true]);
    assert.equal(readings, 6);
  });

  it('asks a watch when its container starts, where there is one', async () => {
    const names: string[] = [];
    const watch = {
      waitFor: (name: string, predicate: (pod: V1Pod) => boolean) => {
        names.push(name);
        assert.deepEqual([predicate(WAITING), predicate(RUNNING), predicate(ENDED)], [false, true, true]);
        return Promise.resolve(RUNNING);
      },
    };
    const { end } = await follow([reading(timed(['one']))], [WAITING, RUNNING], 1, { watch });
    assert.deepEqual([names, end.reason], [['build'], 'complete']);
  });

  it('is asked for anew after a long silence, without loss, and from its beginning after the next one', async () => {
    const clock = createSteeredClock();
    const log = timed(['one', 'two']);
    // The node's clock was set back.
    const late = log.map((line, index) => (index === 0 ? line : { ...line, time: '2020-01-01T00:00:00Z' }));
    let connections = 0;
    const api: Pick<KubernetesApi, 'getPod' | 'podLog'> = {
      getPod: () => Promise.resolve(RUNNING),
      async *podLog(_namespace, _name, { sinceTime }, signal) {
        connections += 1;
        yield* connections === 1 ? reading(log, 40)(sinceTime) : reading(late)(sinceTime);
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      },
    };
    const options = { api, namespace: NAMESPACE, pod: 'build', container: 'main', clock, silenceMs: 60_000 };
    const following = collect(followPodLog(options, 1, never));
    await clock.advance(59_000);
    assert.equal(connections, 1);
    await clock.advance(200_000);
    const { lines, end } = await following;
    assert.equal(connections, 3);
    assert.deepEqual([lines, end.isTruncated, end.lines], [numbered(['one', 'two']), false, 2]);
    assert.equal(clock.sleepers, 0);
  });

  describe('over HTTP', () => {
    let server: FakeApiserver;
    let client: KubernetesClient;
    let log: FakeLog;
    beforeEach(async () => {
      server = await startFakeApiserver();
      client = await createKubernetesClient({ access: server.access });
      await server.api.createPod(NAMESPACE, {
        metadata: { name: 'build' },
        spec: { containers: [{ name: 'main', image: 'image' }] },
      });
      log = { lines: [], isClosed: false };
    });
    afterEach(async () => {
      await client.close();
      await server.close();
    });
    const run = (status: V1Pod) => server.api.change(NAMESPACE, 'build', (pod) => (pod.status = status.status!));
    const options = (): PodLogOptions => ({
      api: client,
      namespace: NAMESPACE,
      pod: 'build',
      container: 'main',
      clock: systemClock,
      random: () => 0,
    });

    it('gives each line once and in order through resets at every place, refusals and a container that starts late', async () => {
      const lines = Array.from({ length: 300 }, (_, index) => `line ${index} ${'ü'.repeat(index % 40)}`);
      const following = collect(followPodLog(options(), 1, never));
      for (let bytes = 200; bytes < 4_000; bytes += 400) server.fail('log', resetAfter(bytes));
      server.fail('log', refusal(500, 'InternalError'));
      server.logs.set('build/main', log);
      setTimeout(() => run(RUNNING), 100);
      for (const [index, line] of timed(lines).entries()) {
        log.lines.push(line);
        if (index % 20 === 0) await systemClock.sleep(20);
      }
      log.isClosed = true;
      run(ENDED);
      const { lines: given, end } = await following;
      assert.deepEqual(given, numbered(lines));
      assert.equal(end.reason, 'complete');
      assert.ok(server.requests.filter(({ verb }) => verb === 'log').length > 5);
    });

    it('ends with the signal’s reason, and leaves no connection when it is left', async () => {
      run(RUNNING);
      log.lines.push(...timed(['one', 'two']).slice(0, 1));
      server.logs.set('build/main', log);
      let isClosed = false;
      const watched = ({
        response,
        pass,
      }: {
        response: { once(event: 'close', run: () => void): unknown };
        pass(): Promise<void>;
      }) => {
        response.once('close', () => (isClosed = true));
        return pass();
      };
      server.fail('log', watched);
      for await (const item of followPodLog(options(), 1, never)) {
        assert.equal(item.kind, 'line');
        break;
      }
      const deadline = performance.now() + 5_000;
      while (!isClosed && performance.now() < deadline) await systemClock.sleep(5);
      assert.equal(isClosed, true);
      const stop = new AbortController();
      const reason = new Error('enough');
      server.fail('log', hang);
      const hanging = assert.rejects(collect(followPodLog(options(), 1, stop.signal)), reason);
      setTimeout(() => stop.abort(reason), 30);
      await hanging;
    });
  });
});
