import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HubError } from '../../../server/errors.ts';
import { base32Name } from '../../../server/sessions/session-name.ts';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import type { SessionSeed } from '../../../server/spawners/spawner.ts';
import { kubernetesWorld, launchable, NAMESPACE } from './kubernetes-session-world.ts';

type Verb = 'launch' | 'resume' | 'reserve' | 'stop' | 'fail' | 'list';

interface Step {
  readonly hub: 0 | 1;
  readonly launch: number;
  readonly verb: Verb;
  /** When it is asked for, in milliseconds. */
  readonly at: number;
}

interface Scenario {
  readonly steps: readonly Step[];
  /** How long the API takes, by call; over and over. */
  readonly delays: readonly number[];
  /** Which answers are lost, by call; over and over. */
  readonly losses: readonly boolean[];
  readonly warm: boolean;
  /** Makes the names of sessions, and so which of two is the lower one. */
  readonly names: number;
}

const LAUNCHES = 2;
const MAX_LOSSES = 20;

const scenarioOf = (verbs: readonly Verb[]) =>
  fc.record<Scenario>({
    steps: fc.array(
      fc.record<Step>({
        hub: fc.constantFrom(0, 1),
        launch: fc.nat(LAUNCHES - 1),
        verb: fc.constantFrom(...verbs),
        at: fc.nat(1_200),
      }),
      { minLength: 2, maxLength: 12 },
    ),
    delays: fc.array(fc.oneof(fc.nat(60), fc.nat(900)), { minLength: 7, maxLength: 23 }),
    losses: fc.array(
      fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
      { minLength: 5, maxLength: 19 },
    ),
    warm: fc.boolean(),
    names: fc.nat(),
  });

/** Plays a scenario; returns the sessions that were said to be ready, by launch, and what is left in the end. */
const play = async ({ steps, delays, losses, warm, names: nameSeed }: Scenario) => {
  const world = kubernetesWorld();
  try {
    let named = 0;
    const newName = () => base32Name(createHash('sha256').update(`${nameSeed} ${named++}`).digest());
    const options = { warmSessions: warm ? 1 : 0, newName, apiPatienceMs: 600_000 };
    const hubs = [await world.spawner(options), await world.spawner(options)];
    const before = { environmentBefore: { state: 'built', generation: 'g1' } } satisfies Partial<SessionSeed>;
    if (warm) {
      const used = await world.launch(hubs[0] ?? assert.fail());
      await world.finish(hubs[0]?.stop(used.name) ?? assert.fail());
      await world.clock.advance(5_000);
    }
    let count = 0;
    let lost = 0;
    const slow = async () => world.clock.sleep(delays[count++ % delays.length] ?? 0);
    world.api.onCall = async ({ verb }) => (verb === 'watchPods' ? undefined : slow());
    world.api.onAnswer = async ({ verb }) => {
      for (const pod of world.api.pods(NAMESPACE).values()) {
        const { labels = {}, annotations = {} } = pod.metadata ?? {};
        const isWhole = labels['liveleaf/launch'] !== undefined && annotations['liveleaf/record'] !== undefined;
        assert.ok(isWhole !== (labels['liveleaf/warm'] !== undefined), 'a pod without a record');
      }
      if (verb === 'watchPods') return;
      await slow();
      if (losses[count % losses.length] && lost++ < MAX_LOSSES)
        throw new KubernetesError(0, 'Reset', 'the answer was lost');
    };

    const seeds = Array.from({ length: LAUNCHES }, () => world.seed(before));
    const ready = seeds.map(() => [] as string[]);
    const errors: unknown[] = [];
    const names: (string | undefined)[][] = seeds.map(() => []);
    const doStep = async ({ hub, launch, verb, at }: Step): Promise<void> => {
      await world.clock.sleep(at);
      const spawner = hubs[hub] ?? assert.fail();
      const seed = seeds[launch] ?? assert.fail();
      const known = names[launch]?.[hub];
      if (verb === 'list') return void (await spawner.list());
      if (verb === 'stop') return known === undefined ? undefined : spawner.stop(known);
      if (verb === 'fail')
        return known === undefined ? undefined : spawner.fail(known, { code: 'build_failed', message: 'No.' });
      const listed = verb === 'resume' ? await spawner.list() : [];
      const found = listed.find((record) => record.launchId === seed.launchId);
      if (verb === 'resume' && found === undefined) return;
      const { name } = found ?? (await spawner.reserve(seed));
      (names[launch] ??= [])[hub] = name;
      if (verb === 'reserve') return;
      const started = await spawner.start(name, launchable(), () => undefined, new AbortController().signal);
      ready[launch]?.push(started.name);
    };
    await world.finish(Promise.all(steps.map((step) => doStep(step).catch((error: unknown) => errors.push(error)))));
    world.api.onCall = undefined;
    world.api.onAnswer = undefined;
    await world.clock.advance(70_000);
    const left = seeds.map(({ launchId }) =>
      [...world.api.pods(NAMESPACE).values()]
        .filter((pod) => pod.metadata?.labels?.['liveleaf/launch'] === launchId)
        .map((pod) => pod.metadata?.name?.slice('session-'.length)),
    );
    return { ready, left, errors, filled: world.servers.filled };
  } finally {
    await world.end();
  }
};

describe('two hubs at once', () => {
  it('give every launch one session, in which both agree, whatever their calls’ order and losses', async () => {
    await fc.assert(
      fc.asyncProperty(scenarioOf(['launch', 'launch', 'resume', 'reserve']), async (scenario) => {
        const { ready, left, errors } = await play(scenario);
        assert.deepEqual(errors, []);
        for (const [launch, names] of ready.entries()) {
          assert.ok(new Set(names).size <= 1, 'one launch was given two sessions');
          assert.ok((left[launch]?.length ?? 0) <= 1, 'one launch has two pods');
          if (names.length > 0) assert.deepEqual(left[launch], names.slice(0, 1), 'a session that was given is gone');
        }
      }),
      { numRuns: 200 },
    );
  });

  it('leave no launch with two pods, and fail only as they may, while sessions are stopped and failed beside', async () => {
    await fc.assert(
      fc.asyncProperty(
        scenarioOf(['launch', 'launch', 'resume', 'reserve', 'stop', 'fail', 'list']),
        async (scenario) => {
          const { left, errors } = await play(scenario);
          for (const names of left) assert.ok(names.length <= 1);
          for (const error of errors) {
            assert.ok(error instanceof HubError, String(error));
            assert.ok(
              ['cancelled', 'build_failed', 'session_lost'].includes(error.code),
              `${error.code}: ${error.message}`,
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
