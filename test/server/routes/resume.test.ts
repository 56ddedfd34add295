import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { createFakeBuilder, type FakeBuild } from '../../helpers/fake-builder.ts';
import { openSse, type SseMessage } from '../../helpers/sse-client.ts';
import { fakeSpawner, startTestHub, type TestHub } from '../../helpers/test-hub.ts';

const LINES = 60;

/** Follows a launch to its end over any number of connections, as a client that resumes by its last id does. */
const follow = async (
  open: (lastId: string | undefined) => ReturnType<typeof openSse>,
): Promise<{ messages: SseMessage[]; connections: number }> => {
  const messages: SseMessage[] = [];
  let lastId: string | undefined;
  for (let connections = 1; connections < 2_000; connections++) {
    const stream = await open(lastId).catch(() => undefined);
    if (stream === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    if (stream.status === 204) return { messages, connections };
    const isEnd = ({ data }: SseMessage) => data['phase'] === 'ready' || data['phase'] === 'failed';
    await stream.until(isEnd, 20_000).then(stream.close, () => stream.ended);
    const complete = stream.messages;
    messages.push(...complete);
    lastId = stream.lastId() ?? lastId;
    if (complete.some(({ data }) => data['phase'] === 'ready' || data['phase'] === 'failed'))
      return { messages, connections };
  }
  throw new Error('the launch never ended');
};

const logLines = (messages: readonly SseMessage[]): string[] =>
  messages.filter(({ data }) => 'line' in data).map(({ data }) => `${String(data['phase'])} ${String(data['line'])}`);

const EXPECTED = [
  ...[1, 2, 3, 4].map((line) => `fetching ${line}`),
  ...Array.from({ length: LINES }, (_, index) => `building ${index + 1}`),
  ...[1, 2, 3].map((line) => `launching ${line}`),
];

describe('a stream that is cut', () => {
  let hub: TestHub;
  let count = 0;
  before(async () => {
    hub = await startTestHub({
      builder: createFakeBuilder({
        script: async (build) => {
          for (let line = 1; line <= LINES; line++) {
            build.say(`line ${line} 🌱 \u001b[32mgreen\u001b[0m`);
            if (line % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          build.finish();
        },
      }),
      settings: { quota: { total: 1_000, perRepo: 0 } },
    });
  });
  after(() => hub.close());

  const post = async () => {
    const response = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // Each has a repository, and so an environment, of its own.
      body: JSON.stringify({ spec: `gh/owner/name${++count}/HEAD` }),
    });
    return (await response.json()) as { id: string; token: string };
  };

  it('goes on at any byte of the native API: each line once, in order, one terminal event', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 12 }), async (cuts) => {
        const launch = await post();
        let which = 0;
        const { messages } = await follow((lastId) =>
          openSse(
            `${hub.address}/api/launches/${launch.id}/events`,
            {
              authorization: `Bearer ${launch.token}`,
              ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
            },
            cuts[which++],
          ),
        );
        assert.deepEqual(logLines(messages), EXPECTED);
        assert.equal(messages.filter(({ data }) => data['phase'] === 'ready').length, 1);
      }),
      { numRuns: 40 },
    );
  });

  it('goes on at any byte of BinderHub’s route, with the ids alone, in the same launch', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 50, max: 4_000 }), { minLength: 1, maxLength: 8 }), async (cuts) => {
        const url = `${hub.address}/build/gh/owner/name${++count}/HEAD`;
        const sessions = hub.spawner.records.size;
        let which = 0;
        const { messages } = await follow((lastId) =>
          openSse(url, lastId === undefined ? {} : { 'last-event-id': lastId }, cuts[which++]),
        );
        assert.deepEqual(logLines(messages), EXPECTED);
        // What is cut before its first id can only begin again, and an unwatched launch is stopped in time.
        assert.equal(hub.spawner.records.size, sessions + 1);
      }),
      { numRuns: 30 },
    );
  });

  it('resumes at every position', async () => {
    const launch = await post();
    const authorization = `Bearer ${launch.token}`;
    const url = `${hub.address}/api/launches/${launch.id}/events`;
    const whole = await openSse(url, { authorization });
    await whole.ended;
    for (const [index, message] of whole.messages.entries()) {
      const rest = await openSse(url, { authorization, 'last-event-id': message.id! });
      if (index === whole.messages.length - 1) {
        assert.equal(rest.status, 204);
        continue;
      }
      await rest.ended;
      const expected = whole.messages.slice(index + 1).map(({ id }) => id);
      const got = rest.messages.map(({ id }) => id);
      // Phases without lines may be told again.
      assert.deepEqual(got[0] === message.id ? got.slice(1) : got, expected);
    }
  });

  it('takes an id that no hub wrote, or another launch’s, for none', async () => {
    const launch = await post();
    for (const lastEventId of ['x', '1', 'a.b.c', `${launch.id}.9.1`, `${launch.id}.2.-1`, `${'z'.repeat(26)}.6.0`]) {
      const stream = await openSse(`${hub.address}/api/launches/${launch.id}/events`, {
        authorization: `Bearer ${launch.token}`,
        'last-event-id': lastEventId,
      });
      await stream.until(({ data }) => data['phase'] === 'ready');
      assert.deepEqual(logLines(stream.messages), EXPECTED);
    }
  });

  it('never gives a launch to a token that was made up', async () => {
    await post();
    const before = hub.spawner.records.size;
    const stream = await openSse(`${hub.address}/build/gh/owner/other/HEAD`, {
      'last-event-id': `${'A'.repeat(22)}.2.5`,
    });
    await stream.until(({ data }) => data['phase'] === 'ready');
    assert.equal(hub.spawner.records.size, before + 1);
  });
});

describe('a hub that is started again', () => {
  /** Where the launch stands when the hub ends. */
  const STEPS = ['fetching', 'building', 'server', 'content', 'kernel', 'ready'] as const;

  for (const native of [true, false])
    for (const step of STEPS)
      it(`goes on with a launch on ${native ? 'the native API' : 'BinderHub’s route'} at ${step}: each line once, one build, one session`, async () => {
        let reached: () => void = () => undefined;
        const isReached = new Promise<void>((resolve) => (reached = resolve));
        let seen: () => void = () => undefined;
        // A client that was cut before its first byte has no id to come back with.
        const isSeen = new Promise<void>((resolve) => (seen = resolve));
        let held = true;
        let build: FakeBuild | undefined;
        const builder = createFakeBuilder({
          script: (begun) => {
            build = begun;
            for (let line = 1; line <= 20; line++) begun.say(`line ${line}`);
            if (step === 'building') reached();
            else begun.finish();
          },
        });
        const spawner = fakeSpawner({
          beforeStep: async (_name, at, _launchable, signal) => {
            if (!held || at !== step) return;
            reached();
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          },
        });
        const hub = await startTestHub({ builder, spawner });
        try {
          let url = `${hub.address}/build/gh/owner/name/HEAD`;
          let authorization: Record<string, string> = {};
          if (native) {
            const response = await fetch(`${hub.address}/api/launches`, {
              method: 'POST',
              headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
              body: JSON.stringify({ spec: 'gh/owner/name/HEAD' }),
            });
            const launch = (await response.json()) as { id: string; token: string };
            url = `${hub.address}/api/launches/${launch.id}/events`;
            authorization = { authorization: `Bearer ${launch.token}` };
          }
          const watched = follow(async (lastId) => {
            const stream = await openSse(
              url,
              { ...authorization, ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
              // At the last step the connection is cut before the end reaches the client.
              lastId === undefined && step === 'ready' ? 900 : undefined,
            );
            void stream.until(() => true).then(seen, () => undefined);
            if (step === 'fetching')
              void stream.until(({ data }) => data['phase'] === 'fetching').then(reached, () => undefined);
            if (step === 'ready') void stream.ended.then(reached);
            return stream;
          });
          await Promise.all([isReached, isSeen]);
          if (step === 'fetching') await new Promise((resolve) => setTimeout(resolve, 5));
          await hub.restart();
          held = false;
          if (step === 'building') {
            build!.say('line 21');
            build!.finish();
          }
          const { messages } = await watched;
          const lines = logLines(messages);
          assert.deepEqual([...new Set(lines)], lines, 'no line twice');
          assert.deepEqual(lines, [
            ...[1, 2, 3, 4].map((line) => `fetching ${line}`),
            ...Array.from({ length: step === 'building' ? 21 : 20 }, (_, index) => `building ${index + 1}`),
            ...[1, 2, 3].map((line) => `launching ${line}`),
          ]);
          assert.equal(messages.at(-1)!.data['phase'], 'ready');
          assert.deepEqual([...builder.starts.values()], [1]);
          assert.equal(spawner.records.size, 1);
        } finally {
          await hub.close();
        }
      });

  it('tells a watcher that comes later why a launch failed, while the record stays', async () => {
    const builder = createFakeBuilder({ script: (build) => build.vanish() });
    const hub = await startTestHub({ builder });
    try {
      const first = await openSse(`${hub.address}/build/gh/owner/name/HEAD`);
      const failed = await first.until(({ data }) => data['phase'] === 'failed');
      assert.equal(failed.data['code'], 'build_lost');
      await hub.restart();
      const token = failed.id!.split('.')[0]!;
      const second = await openSse(`${hub.address}/build/gh/owner/name/HEAD`, { 'last-event-id': `${token}.1.4` });
      const again = await second.until(({ data }) => data['phase'] === 'failed');
      assert.equal(again.data['code'], 'build_lost');
      second.close();
    } finally {
      await hub.close();
    }
  });
});
