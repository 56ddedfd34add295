import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openBuildScripts } from './build-scripts.ts';
import { openPush } from './push-world.ts';

const scripts = await openBuildScripts();
after(scripts.close);

describe('A push that meets', { concurrency: 2 }, () => {
  it('a registry that fails in passing goes on, and its image is the same', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    const sound = await push();
    const status = (code: number, headers = {}) => ({ kind: 'status', status: code, headers }) as const;
    for (const [method, path, failure] of [
      ['GET', /manifests/, status(503)],
      ['GET', /blobs/, { kind: 'truncate' }],
      ['POST', /mount/, status(429, { 'retry-after': '0' })],
      ['POST', /uploads\/$/, { kind: 'reset', afterBytes: 0 }],
      ['PATCH', /uploads/, { kind: 'reset', afterBytes: 1 }],
      ['PATCH', /uploads/, status(500)],
      ['PATCH', /uploads/, status(404)],
      ['PUT', /uploads/, status(400)],
      ['PUT', /manifests/, status(502)],
      ['HEAD', /manifests/, status(404)],
    ] as const) {
      const body = failure.kind === 'status' && failure.status === 400 ? '{"errors":[{"code":"DIGEST_INVALID"}]}' : '';
      const end = fake.fault({
        method,
        path,
        times: 1,
        failure: failure.kind === 'status' ? { ...failure, body } : failure,
      });
      const { result, lines } = await push();
      assert.ok(result.ok, `${method} ${String(path)}: ${result.message}`);
      assert.equal(result.digest, sound.result.digest);
      assert.equal(lines.filter((line) => line.endsWith('trying again.')).length, 1, lines.join('\n'));
      end();
    }
  });

  it('a registry that is no use fails with the reason, in words, after a bounded number of tries', async (t) => {
    const full =
      '{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":"write /data: no space left on device"}]}';
    const table = [
      ['PATCH', 507, '', 'full', 'disk_full'],
      ['PATCH', 413, '', 'full', 'disk_full'],
      ['PATCH', 500, full, 'full', 'disk_full'],
      ['POST', 403, '{"errors":[{"code":"DENIED","message":"read only"}]}', 'denied', 'push_failed'],
      ['POST', 401, '', 'denied', 'push_failed'],
      ['PUT', 503, '', 'unreachable', 'registry_down'],
      ['PATCH', 404, '', 'unreachable', 'registry_down'],
      ['GET', 404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', 'refused', 'push_failed'],
      ['GET', 200, '{}', 'refused', 'push_failed'],
      ['PUT', 400, '{"errors":[{"code":"MANIFEST_INVALID"}]}', 'refused', 'push_failed'],
      ['HEAD', 404, '', 'unreachable', 'registry_down'],
    ] as const; // prettier-ignore
    const { fake, push } = await openPush(t, scripts);
    for (const [method, status, body, reason, code] of table) {
      const end = fake.fault({ method, failure: { kind: 'status', status, body } });
      const before = fake.requests.length;
      const { result } = await push();
      assert.deepEqual(
        [result.ok, result.reason, result.code],
        [false, reason, code],
        `${method} ${status}: ${result.message}`,
      );
      assert.match(result.message ?? '', /^The .+\.$/);
      assert.ok(fake.requests.length - before <= 40);
      end();
    }
  });

  it('a registry that keeps nothing of what it takes does not believe it', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    fake.fault({ method: 'PUT', path: /manifests/, failure: { kind: 'forget' } });
    assert.equal((await push()).result.reason, 'unreachable');
  });

  it('a registry that shows other bytes than it should stops', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    for (const path of [/manifests/, /blobs/]) {
      const end = fake.fault({ method: 'GET', path, failure: { kind: 'corrupt' } });
      const { result } = await push();
      assert.equal(result.reason, 'refused');
      assert.match(result.message ?? '', /sent another/);
      end();
    }
  });

  it('nobody at the registry’s address says so', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    await fake.close();
    const { result } = await push();
    assert.deepEqual([result.reason, result.code], ['unreachable', 'registry_down']);
    assert.match(result.message ?? '', /Connection refused/);
  });

  it('more patience asked for than a build has gives up at once', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    fake.fault({ method: 'POST', failure: { kind: 'status', status: 429, headers: { 'retry-after': '600' } } });
    const { result, durationMs } = await push();
    assert.equal(result.reason, 'unreachable');
    assert.ok(durationMs < 10_000);
  });

  it('a registry that never answers ends with its deadline', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    fake.fault({ method: 'PATCH', failure: { kind: 'status', status: 503 } });
    const { result, durationMs } = await push({ deadlineMs: 1_000, firstWaitMs: 400 });
    assert.equal(result.reason, 'unreachable');
    assert.ok(durationMs < 10_000);
  });

  it('an environment larger than allowed, or an order that is none, pushes nothing', async (t) => {
    const { fake, push } = await openPush(t, scripts);
    const { result } = await push({ maxBytes: 10_000 });
    assert.deepEqual([result.reason, result.code], ['too_large', 'disk_full']);
    assert.equal((await push({ base: 5 })).result.reason, 'refused');
    assert.equal((await push({ config: '/no/such/config.json' })).result.reason, 'refused');
    assert.deepEqual(fake.blobs('team/env'), []);
  });
});
