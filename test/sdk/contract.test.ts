import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  comparePositions,
  decodeEvent,
  encodeEvent,
  ERRORS,
  formatEventId,
  formatRepoSpec,
  isErrorCode,
  isTerminal,
  LOG_PHASES,
  MAX_REF_BYTES,
  MAX_SPEC_LENGTH,
  parseEventId,
  parseRepoSpec,
  PHASES,
  positionOf,
  PROVIDERS,
  RANKS,
  repoSpec,
  RepoSpecError,
  type ErrorCode,
  type LaunchEvent,
} from '../../sdk/contract/index.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const without = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;

const events: fc.Arbitrary<LaunchEvent> = fc
  .oneof(
    fc.record({
      phase: fc.constant('waiting' as const),
      message: optional(fc.string()),
      position: optional(fc.nat()),
      usualMs: optional(fc.nat()),
    }),
    fc.record({
      phase: fc.constantFrom(...LOG_PHASES),
      message: fc.string({ unit: 'binary' }),
      line: fc.integer({ min: 1, max: 999_999_999 }),
    }),
    fc.record({ phase: fc.constant('built' as const), environment: fc.string(), cached: fc.boolean() }),
    fc.record({
      phase: fc.constant('ready' as const),
      url: fc.webUrl().map((url) => `${url.replace(/\/+$/, '')}/`),
      token: fc.string(),
      expiresAt: fc.nat(),
      idleTimeoutMs: fc.nat(),
      session: fc.string(),
      kernel: optional(fc.record({ id: fc.uuid(), name: fc.string() })),
    }),
    fc.record({
      phase: fc.constant('failed' as const),
      message: fc.string({ minLength: 1 }).filter((message) => message.trim() === message),
      code: fc.constantFrom(...codes),
      retryable: fc.boolean(),
      retryAfterMs: optional(fc.nat()),
      detail: optional(fc.record({ file: fc.string(), line: fc.nat(), package: fc.string() })),
      logTail: optional(fc.array(fc.string())),
    }),
  )
  .map((event) => without(event) as LaunchEvent);

describe('launch events', () => {
  it('come back from the wire as they were written, whatever they hold', () => {
    fc.assert(
      fc.property(events, (event) => {
        const written = encodeEvent(event);
        assert.ok(!/[\r\n]/.test(written), 'one line on the wire');
        assert.deepEqual(decodeEvent(written), JSON.parse(JSON.stringify(event)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('are never written in a form that no reader expects', () => {
    const bad: unknown[] = [
      { phase: 'done' },
      { phase: 'building', message: 'x' },
      { phase: 'building', message: 'x', line: 0 },
      { phase: 'building', message: 'x', line: 1.5 },
      { phase: 'fetching', line: 1 },
      { phase: 'failed', message: 'x', code: 'oops', retryable: false },
    ];
    for (const event of bad) assert.throws(() => encodeEvent(event as LaunchEvent), TypeError);
  });

  it('are read from anything at all without throwing', () => {
    const read = (data: string) => {
      const event = decodeEvent(data);
      if (event?.phase === 'failed') assert.ok(isErrorCode(event.code) && event.message.length > 0);
      if (event && event.phase !== 'unknown') assert.ok((PHASES as readonly string[]).includes(event.phase));
    };
    fc.assert(fc.property(fc.string(), read), { numRuns: 1_000 });
    fc.assert(fc.property(fc.json(), read), { numRuns: 1_000 });
    const phase = fc.constantFrom(...PHASES, 'FAILED', 'Failure', 'error', '', '__proto__', 'constructor');
    const fields = fc.dictionary(
      fc.constantFrom('message', 'line', 'url', 'code', 'status_code', 'token'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(phase, fields, (name, rest) => read(JSON.stringify({ ...rest, phase: name }))),
      { numRuns: 1_000 },
    );
  });

  it('read what a BinderHub writes', () => {
    assert.deepEqual(decodeEvent('{"message":"no phase"}'), {
      phase: 'unknown',
      message: 'no phase',
      fields: { message: 'no phase' },
    });
    const failed = decodeEvent('{"phase":"FAILED"}');
    assert.equal(failed?.phase, 'failed');
    const limited = decodeEvent('{"phase":"failed","message":"Rate limit exceeded.","status_code":429}');
    assert.equal(limited?.phase === 'failed' && limited.code, 'rate_limited');
    const ready = decodeEvent('{"phase":"ready","url":"http://h/user/a","token":"t"}');
    assert.equal(ready?.phase === 'ready' && ready.url, 'http://h/user/a/');
    assert.equal(decodeEvent('[]'), undefined);
    assert.equal(decodeEvent('null'), undefined);
    assert.equal(decodeEvent('{'), undefined);
  });
});

describe('event ids', () => {
  const positions = fc.record({ rank: fc.integer({ min: 0, max: 6 }), line: fc.integer({ min: 0, max: 999_999_999 }) });
  const launches = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);

  it('come back as they were written', () => {
    fc.assert(
      fc.property(launches, positions, (launch, position) => {
        assert.deepEqual(parseEventId(formatEventId(launch, position)), { launch, position: { ...position } });
      }),
    );
  });

  it('of any other form are none', () => {
    const bad = [
      '',
      'a',
      'a.1',
      'a.7.1',
      'a.1.-1',
      'a.1.01',
      'a.1.1.1',
      '.1.1',
      'a b.1.1',
      `${'a'.repeat(129)}.1.1`,
      'a.1.1\n',
    ];
    for (const text of bad) assert.equal(parseEventId(text), undefined, JSON.stringify(text));
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const parsed = parseEventId(text);
        if (parsed) assert.equal(formatEventId(parsed.launch, parsed.position), text);
      }),
    );
  });

  it('order events as phases and lines do', () => {
    fc.assert(
      fc.property(events, events, (left, right) => {
        const order = comparePositions(positionOf(left), positionOf(right));
        if (RANKS[left.phase] !== RANKS[right.phase]) {
          assert.equal(Math.sign(order), Math.sign(RANKS[left.phase] - RANKS[right.phase]));
        }
        assert.equal(order + comparePositions(positionOf(right), positionOf(left)), 0);
        if (isTerminal(left) && !isTerminal(right)) assert.ok(order > 0);
      }),
    );
  });
});

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9-]{0,20}$/);
const word = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,20}$/);
const repos: fc.Arbitrary<{ provider: string; repo: string }> = fc.oneof(
  fc.record({ provider: fc.constant('gh'), repo: fc.tuple(name, word).map((parts) => parts.join('/')) }),
  fc.record({
    provider: fc.constant('gl'),
    repo: fc.array(word, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
  }),
  fc.record({
    provider: fc.constant('gist'),
    repo: fc.tuple(name, fc.stringMatching(/^[0-9a-f]{1,32}$/)).map((parts) => parts.join('/')),
  }),
  fc.record({
    provider: fc.constant('git'),
    repo: fc.tuple(fc.domain(), word, word).map(([host, a, b]) => `https://${host}/${a}/${b}.git`),
  }),
  fc.record({
    provider: fc.constant('dir'),
    repo: fc
      .tuple(
        word,
        fc.oneof(
          fc.constant('.'),
          fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
        ),
      )
      .map((parts) => parts.join('/')),
  }),
);
const refs = fc.oneof(
  fc.constantFrom('HEAD', 'main', 'feature/x', 'v1.0', 'ümlaut', 'a%b', 'a+b', 'release-2/α'),
  fc.stringMatching(/^[0-9a-f]{40}$/),
  word,
);

describe('repo specs', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(repos, refs, ({ provider, repo }, ref) => {
        const spec = repoSpec(provider, repo, ref);
        const text = formatRepoSpec(spec);
        assert.deepEqual(parseRepoSpec(text), spec);
        assert.equal(formatRepoSpec(parseRepoSpec(text)), text);
        // An address cannot hold the segment `.`, which names a root itself; requests carry it in their body.
        if (!text.includes('/./'))
          assert.equal(new URL(`https://hub/build/${text}`).pathname, `/build/${text}`, 'it survives in an address');
      }),
      { numRuns: 2_000 },
    );
  });

  /** Either a spec that is safe, or the one error with a sentence. */
  const isSafe = (text: string) => {
    let spec;
    try {
      spec = parseRepoSpec(text);
    } catch (error) {
      assert.ok(error instanceof RepoSpecError, String(error));
      assert.equal(error.code, 'bad_spec');
      assert.ok(error.message.length > 20 && error.message.length < 600, error.message);
      return;
    }
    assert.ok(PROVIDERS.includes(spec.provider));
    for (const part of [spec.repo, spec.ref]) {
      // oxlint-disable-next-line no-control-regex
      assert.ok(!/[\u0000-\u001f\u007f]/.test(part));
      assert.ok(!part.startsWith('-') && part !== '');
      assert.ok(!part.split('/').includes('..'), part);
    }
    if (spec.provider === 'git') assert.match(spec.repo, /^https?:\/\/[^@/]+\//);
    assert.deepEqual(parseRepoSpec(formatRepoSpec(spec)), spec);
  };

  it('are either safe or refused, and nothing else is ever thrown', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        '-',
        '--upload-pack=x',
        '%2e%2e',
        '%2F',
        '%00',
        '%0a',
        '%',
        '%zz',
        '\u202e',
        '\ud800',
        '@{',
        '*',
        '\\',
        'a.lock',
      ),
      fc.constantFrom(
        'https%3A%2F%2Fu%3Ap%40h%2Fr',
        'file%3A%2F%2F%2Fetc',
        'ssh%3A%2F%2Fh%2Fr',
        'ext%3A%3Ash',
        'git%40h%3Ar',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
      word,
    );
    const texts = fc
      .tuple(fc.oneof(fc.constantFrom(...PROVIDERS), piece), fc.array(piece, { maxLength: 6 }))
      .map(([provider, pieces]) => [provider, ...pieces].join('/'));
    fc.assert(fc.property(texts, isSafe), { numRuns: 5_000 });
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), isSafe), { numRuns: 500 });
    const built = (provider: string, repo: string, ref: string) => {
      try {
        isSafe(formatRepoSpec(repoSpec(provider, repo, ref)));
      } catch (error) {
        if (!(error instanceof RepoSpecError)) throw error;
      }
    };
    fc.assert(fc.property(fc.constantFrom(...PROVIDERS), piece, piece, built), { numRuns: 2_000 });
  });

  it('name the root of a folder in a way that every parser of addresses leaves alone', () => {
    const root = { provider: 'dir', repo: 'docs/.', ref: 'HEAD' } as const;
    assert.equal(formatRepoSpec(root), 'dir/docs/HEAD');
    for (const text of ['dir/docs/HEAD', 'dir/docs/./HEAD', 'dir/docs/%2E/HEAD']) {
      assert.deepEqual(parseRepoSpec(text), root, text);
      assert.deepEqual(parseRepoSpec(new URL(text, 'http://hub/').pathname.slice(1)), root, text);
    }
    const digest = 'ab'.repeat(32);
    assert.equal(formatRepoSpec({ ...root, ref: digest }), `dir/docs/${digest}`);
    assert.throws(() => parseRepoSpec('dir/docs/main'), /names no ref/);
  });

  it('that are hostile are refused', () => {
    const hostile = [
      'gh/owner/../HEAD',
      'gh/owner/%2e%2e/HEAD',
      'gh/-owner/name/HEAD',
      'gh/owner/name/--upload-pack=x',
      'gh/owner/name/a..b',
      'gh/owner/name/HEAD%00',
      'gh/owner/name/a%0ab',
      'gh/owner/name/%E2%80%AEmain',
      'gh/owner/name/x.lock',
      'gh/owner/name/',
      'gh/owner',
      'git/file%3A%2F%2F%2Fetc%2Fpasswd/HEAD',
      'git/ssh%3A%2F%2Fhost%2Frepo/HEAD',
      'git/git%40host%3Arepo/HEAD',
      'git/ext%3A%3Ash%20-c%20id/HEAD',
      'git/https%3A%2F%2Fuser%3Apass%40host%2Frepo/HEAD',
      'git/https%3A%2F%2Fhost%2F..%2F..%2Fetc/HEAD',
      'git/https%3A%2F%2Fhost%5C%40evil%2Frepo/HEAD',
      'dir/root/..%2F..%2Fetc/HEAD',
      'dir/root/%2Fetc/HEAD',
      'dir/root/a%5C..%5Cb/HEAD',
      'dir/../x/HEAD',
      'zenodo/10.5281/zenodo.1/HEAD',
      '__proto__/a/b/HEAD',
      'constructor/a/b/HEAD',
      `gh/owner/name/${'a'.repeat(MAX_REF_BYTES + 1)}`,
      `gh/owner/name/${'a'.repeat(MAX_SPEC_LENGTH)}`,
    ];
    for (const text of hostile) assert.throws(() => parseRepoSpec(text), RepoSpecError, text);
  });
});

describe('error codes', () => {
  it('each have a status of their class, or none where only a page can tell', () => {
    for (const code of codes) {
      const { status } = ERRORS[code];
      assert.ok(status === undefined || (status >= 400 && status < 600), code);
    }
    assert.ok(!isErrorCode('toString') && !isErrorCode(undefined) && isErrorCode('quota'));
  });
});
