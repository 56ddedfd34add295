import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog, hideSecrets, loggedPath } from '../../../server/log.ts';
import { openSse } from '../../helpers/sse-client.ts';
import { startTestHub } from '../../helpers/test-hub.ts';

describe('the log', () => {
  it('holds no token, wherever clients put one', async () => {
    const hub = await startTestHub();
    try {
      const created = await fetch(`${hub.address}/api/launches`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'canary-idempotency-key' },
        body: JSON.stringify({ spec: 'gh/owner/name/HEAD' }),
      });
      const { id, token } = (await created.json()) as { id: string; token: string };
      const stream = await openSse(`${hub.address}/api/launches/${id}/events`, { authorization: `Bearer ${token}` });
      const ready = await stream.until(({ data }) => data['phase'] === 'ready');
      const session = String(ready.data['token']);
      const binder = await openSse(`${hub.address}/build/gh/owner/name/bug`);
      const failed = await binder.until(({ data }) => data['phase'] === 'failed');
      binder.close();
      const launch = failed.id!.split('.')[0]!;
      const canary = 'canarycanarycanary1234';
      for (const [path, headers] of [
        [`/nothing?token=${session}`, {}],
        [`/build/gh/owner/name/bug?build_token=${canary}`, { 'last-event-id': `${launch}.1.1` }],
        [`/v2/gh/owner/name/HEAD?token=${canary}`, { authorization: `token ${canary}` }],
        [`/api/launches/${id}`, { authorization: `Bearer ${canary}`, cookie: `x=${canary}` }],
        [`/%zz?token=${canary}`, { 'sec-websocket-protocol': `v1.token.liveleaf.${canary}` }],
      ] as [string, Record<string, string>][]) {
        const stop = new AbortController();
        await fetch(hub.address + path, { headers, signal: stop.signal });
        stop.abort();
      }
      const log = hub.logged();
      assert.match(log, /secret detail/, 'what went wrong is in the log');
      assert.match(log, new RegExp(id), 'and the launch by its id');
      for (const secret of [token, session, launch, canary, 'canary-idempotency-key'])
        for (const form of [secret, Buffer.from(secret).toString('base64').slice(0, 20), encodeURIComponent(secret)])
          assert.ok(!log.includes(form), `${form} is in the log`);
    } finally {
      await hub.close();
    }
  });

  it('hides what carries a secret even where somebody logs it by mistake', () => {
    let text = '';
    const log = createLog('info', { write: (line: string) => void (text += line) });
    const secret = 'S3cretS3cretS3cretS3cr';
    log.info(
      { headers: { authorization: `Bearer ${secret}`, 'last-event-id': `${secret}.2.17`, cookie: secret } },
      'x',
    );
    log.info(`GET /user/abc/api/kernels?token=${secret}&x=1`);
    log.error({ err: new Error(`asked with token ${secret} at ?token=${secret}`) }, 'y');
    log.info({ protocols: `v1.token.liveleaf.${secret}` }, 'z');
    log.info({ nested: JSON.stringify({ token: secret }) }, 'z');
    assert.ok(!text.includes(secret), text);
    for (const line of text.trim().split('\n')) assert.doesNotThrow(() => JSON.parse(line) as unknown);
    assert.match(text, /x=1/);
  });

  it('leaves ordinary text alone', () => {
    for (const ordinary of [
      'the token was refused',
      'launch 4kccivyhwy44q56jh2zjjo4vn7 ended',
      'numpy 2.1.3',
      'line 6.0.1',
    ])
      assert.equal(hideSecrets(ordinary), ordinary);
  });

  it('cuts paths and drops their queries', () => {
    assert.equal(loggedPath('/a?token=x#y'), '/a');
    assert.equal(loggedPath(`/${'a'.repeat(1_000)}`).length, 257);
  });
});
