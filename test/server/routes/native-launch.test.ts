import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { HubError } from '../../../server/errors.ts';
import { createFakeBuilder, type FakeBuild } from '../../helpers/fake-builder.ts';
import { openSse } from '../../helpers/sse-client.ts';
import { fakeSpawner, startTestHub, type TestHub, type TestHubOptions } from '../../helpers/test-hub.ts';

describe('the native API', () => {
  let hub: TestHub;
  afterEach(() => hub.close());
  const start = async (options?: TestHubOptions) => void (hub = await startTestHub(options));

  const post = async (body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(`${hub.address}/api/launches`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as any };
  };
  const events = (launch: { id: string; token: string }, lastId?: string) =>
    openSse(`${hub.address}/api/launches/${launch.id}/events`, {
      authorization: `Bearer ${launch.token}`,
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    });

  it('takes a launch through its phases in order, each event with an id', async () => {
    await start();
    const { status, body } = await post({ spec: 'gh/owner/name/HEAD' });
    assert.equal(status, 201);
    const stream = await events(body);
    await stream.ended;
    assert.deepEqual(
      stream.messages.map(({ data }) => [data['phase'], data['line']].filter((part) => part !== undefined).join(' ')),
      [
        'waiting',
        'fetching 1',
        'fetching 2',
        'fetching 3',
        'fetching 4',
        'building 1',
        'building 2',
        'built',
        'launching 1',
        'launching 2',
        'launching 3',
        'ready',
      ],
    );
    const ready = stream.messages.at(-1)!;
    assert.equal(ready.id, `${body.id}.6.0`);
    assert.match(String(ready.data['url']), new RegExp(`^http://127\\.0\\.0\\.1:${hub.port + 1}/user/[a-z2-7]{26}/$`));
    assert.ok(stream.messages.every(({ id }) => id?.startsWith(`${body.id}.`)));
    assert.equal(stream.headers.get('cache-control'), 'no-store, no-transform');
    assert.equal(stream.headers.get('x-accel-buffering'), 'no');
  });

  it('sends ready again until its own id is presented, then 204', async () => {
    await start();
    const { body } = await post({ spec: 'gh/owner/name/HEAD' });
    const first = await events(body);
    await first.ended;
    const again = await events(body, `${body.id}.5.3`);
    await again.ended;
    assert.deepEqual(
      again.messages.map(({ data }) => data['phase']),
      ['ready'],
    );
    assert.deepEqual(again.messages[0]!.data, first.messages.at(-1)!.data);
    assert.equal((await events(body, `${body.id}.6.0`)).status, 204);
  });

  it('uses an environment that exists without telling its old log', async () => {
    await start();
    const first = await post({ spec: 'gh/owner/name/HEAD' });
    await (
      await events(first.body)
    ).ended;
    const second = await post({ spec: 'gh/owner/name/other' });
    const stream = await events(second.body);
    await stream.ended;
    assert.ok(stream.messages.every(({ data }) => data['phase'] !== 'building'));
    assert.equal(stream.messages.find(({ data }) => data['phase'] === 'built')!.data['cached'], true);
    assert.equal(
      [...hub.builder.starts.values()].reduce((a, b) => a + b, 0),
      1,
    );
  });

  it('meets the same launch by Idempotency-Key, a hundred times at once, and has one build and one session', async () => {
    await start();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post({ spec: 'gh/owner/name/HEAD' }, { 'idempotency-key': 'one' })),
    );
    assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    await (
      await events(answers[0]!.body)
    ).ended;
    assert.equal(hub.spawner.records.size, 1);
    assert.deepEqual([...hub.builder.starts.values()], [1]);
  });

  it('has one build and a session for each of many launches without a key', async () => {
    await start({ settings: { quota: { total: 50, perRepo: 0 } } });
    const answers = await Promise.all(Array.from({ length: 30 }, () => post({ spec: 'gh/owner/name/HEAD' })));
    await Promise.all(answers.map(async ({ body }) => (await events(body)).ended));
    assert.equal(hub.spawner.records.size, 30);
    assert.deepEqual([...hub.builder.starts.values()], [1]);
  });

  it('names what is wrong with a request', async () => {
    await start();
    for (const [body, code, status] of [
      [{ spec: 'xx/owner/name/HEAD' }, 'bad_spec', 400],
      [{ spec: 'gh/owner' }, 'bad_spec', 400],
      [{ spec: 'gh/owner/name/--upload-pack=x' }, 'bad_spec', 400],
      [{ spec: 'gh/owner/name/HEAD', path: '../../etc/passwd' }, 'bad_spec', 400],
      [{ spec: 'gh/owner/name/HEAD', kernel: 'a b' }, 'unsupported_environment', 422],
      [{ spec: 'gh/owner/name/HEAD', kernel: 'ir' }, 'unsupported_environment', 422],
      [{ spec: 'gh/owner/name/HEAD', profile: 'huge' }, 'bad_spec', 400],
      [{ spec: 'gh/owner/name/HEAD', surprise: 1 }, 'bad_spec', 400],
      [{}, 'bad_spec', 400],
      [{ spec: 'gl/group%2Fproject/HEAD' }, 'not_allowed', 403],
    ] as const) {
      const answer = await post(body);
      assert.equal(answer.body.code, code, JSON.stringify(answer.body));
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    }
    assert.equal(hub.spawner.records.size, 0);
  });

  it('refuses a token that is missing, wrong or another launch’s', async () => {
    await start();
    const [one, two] = [await post({ spec: 'gh/owner/name/HEAD' }), await post({ spec: 'gh/owner/name/HEAD' })];
    for (const authorization of ['', 'Bearer x', `Bearer ${two.body.token}`, `Basic ${one.body.token}`]) {
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/events'],
        ['DELETE', ''],
        ['POST', '/keep-alive'],
      ] as const) {
        const response = await fetch(`${hub.address}/api/launches/${one.body.id}${path}`, {
          method,
          headers: { authorization },
        });
        assert.equal(response.status, 401, `${method} ${path} ${authorization}`);
        assert.equal(((await response.json()) as { code: string }).code, 'unauthorized');
      }
    }
  });

  it('ends in failed with code, detail and the end of the log when the build fails, and builds again when asked again', async () => {
    const error = new HubError('build_failed', 'requirements.txt, line 2: there is no package nmpy.', {
      detail: { file: 'requirements.txt', line: 2, package: 'nmpy' },
    });
    const builder = createFakeBuilder({
      script: (build) => {
        build.say('Resolving');
        if (build.generation === 'g1') build.fail(error);
        else build.finish();
      },
    });
    await start({ builder });
    const { body } = await post({ spec: 'gh/owner/name/HEAD' });
    const stream = await events(body);
    await stream.ended;
    const { data } = stream.messages.at(-1)!;
    assert.equal(data['phase'], 'failed');
    assert.equal(data['code'], 'build_failed');
    assert.deepEqual(data['detail'], { file: 'requirements.txt', line: 2, package: 'nmpy' });
    assert.deepEqual(data['logTail'], ['Resolving']);
    const record = [...hub.spawner.records.values()][0]!;
    assert.equal(record.state, 'failed');
    assert.ok(record.removeAt !== undefined);
    const again = await post({ spec: 'gh/owner/name/HEAD' });
    const second = await events(again.body);
    await second.ended;
    assert.equal(second.messages.at(-1)!.data['phase'], 'ready');
    const state = await fetch(`${hub.address}/api/launches/${body.id}`, {
      headers: { authorization: `Bearer ${body.token}` },
    });
    assert.equal(((await state.json()) as any).error.code, 'build_failed');
  });

  it('hides the cause of a bug and calls it internal', async () => {
    await start();
    const { body } = await post({ spec: 'gh/owner/name/bug' });
    const stream = await events(body);
    await stream.ended;
    assert.equal(stream.messages.at(-1)!.data['code'], 'internal');
    assert.doesNotMatch(JSON.stringify(stream.messages), /secret detail/);
    assert.match(hub.logged(), /secret detail/);
  });

  for (const phase of ['resolving', 'building', 'launching', 'ready'] as const) {
    it(`stops a launch that is ${phase} and leaves nothing of it`, async () => {
      const held: FakeBuild[] = [];
      const builder = createFakeBuilder({
        script: (build) => {
          build.say('one');
          if (phase === 'building') held.push(build);
          else build.finish();
        },
      });
      const spawner = fakeSpawner({
        beforeStep: async (_name, step, _launchable, signal) => {
          if (phase !== 'launching' || step !== 'content') return;
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        },
      });
      await start({ builder, spawner });
      const { body } = await post({ spec: `gh/owner/name/${phase === 'resolving' ? 'slow' : 'HEAD'}` });
      const stream = await events(body);
      await stream.until(({ data }) => data['phase'] === (phase === 'resolving' ? 'waiting' : phase));
      const authorization = `Bearer ${body.token}`;
      const response = await fetch(`${hub.address}/api/launches/${body.id}`, {
        method: 'DELETE',
        headers: { authorization },
      });
      assert.equal(response.status, 204);
      await stream.ended;
      if (phase !== 'ready') assert.equal(stream.messages.at(-1)!.data['code'], 'cancelled');
      assert.equal(hub.spawner.records.size, 0);
      assert.deepEqual(builder.cancelled, phase === 'building' ? [...builder.starts.keys()] : []);
    });
  }

  it('does not cancel a build that another launch waits for', async () => {
    let build: FakeBuild | undefined;
    await start({ builder: createFakeBuilder({ script: (begun) => void (build = begun).say('one') }) });
    const [one, two] = [await post({ spec: 'gh/owner/name/a' }), await post({ spec: 'gh/owner/name/b' })];
    const [first, second] = [await events(one.body), await events(two.body)];
    await first.until(({ data }) => data['phase'] === 'building');
    await second.until(({ data }) => data['phase'] === 'building');
    await fetch(`${hub.address}/api/launches/${one.body.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${one.body.token}` },
    });
    await first.ended;
    build!.say('two');
    build!.finish();
    await second.ended;
    assert.equal(second.messages.at(-1)!.data['phase'], 'ready');
    assert.deepEqual(hub.builder.cancelled, []);
  });

  it('stops a launch that nobody watches, and lets its build go on', async () => {
    let build: FakeBuild | undefined;
    await start({
      builder: createFakeBuilder({ script: (begun) => void (build = begun).say('one') }),
      settings: { sessions: { abandonAfterMs: 150 } },
    });
    const { body } = await post({ spec: 'gh/owner/name/HEAD' });
    const stream = await events(body);
    await stream.until(({ data }) => data['phase'] === 'building');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(hub.spawner.records.size, 1, 'a watched launch goes on');
    stream.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(hub.spawner.records.size, 0);
    assert.deepEqual(hub.builder.cancelled, []);
    build!.finish();
  });

  it('tells the whole log of an environment from any line, after success', async () => {
    await start();
    const { body } = await post({ spec: 'gh/owner/name/HEAD' });
    const stream = await events(body);
    await stream.ended;
    const key = String(stream.messages.find(({ data }) => data['phase'] === 'built')!.data['environment']);
    const state = await fetch(`${hub.address}/api/environments/${key}`);
    assert.deepEqual(await state.json(), { key, state: 'built', generation: 'g1' });
    const log = (query: string) =>
      fetch(`${hub.address}/api/environments/${key}/log${query}`).then((response) => response.text());
    assert.equal(await log(''), 'Installing numpy\nInstalling pandas\n');
    assert.equal(await log('?from=2'), 'Installing pandas\n');
    const sse = await openSse(`${hub.address}/api/environments/${key}/log`, { 'last-event-id': `${key}.2.1` });
    await sse.ended;
    assert.deepEqual(
      sse.messages.map(({ data }) => data['line']),
      [2],
    );
    assert.equal(
      (await openSse(`${hub.address}/api/environments/${key}/log`, { 'last-event-id': `${key}.2.2` })).status,
      204,
    );
    assert.equal((await fetch(`${hub.address}/api/environments/${'a'.repeat(52)}`)).status, 404);
    assert.equal((await fetch(`${hub.address}/api/environments/..%2f..%2fx`)).status, 404);
  });

  it('keeps a session alive while it lives', async () => {
    await start();
    const { body } = await post({ spec: 'gh/owner/name/HEAD' });
    await (
      await events(body)
    ).ended;
    const alive = () =>
      fetch(`${hub.address}/api/launches/${body.id}/keep-alive`, {
        method: 'POST',
        headers: { authorization: `Bearer ${body.token}` },
      });
    const record = [...hub.spawner.records.values()][0]!;
    assert.deepEqual(await (await alive()).json(), { expiresAt: record.expiresAt });
    await hub.spawner.stop(record.name);
    assert.equal((await alive()).status, 404);
  });
});
