import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KubernetesError } from '../../../server/kubernetes/kubernetes-error.ts';
import { fakeContent } from '../../helpers/fake-content.ts';
import { settle } from '../../helpers/steered-clock.ts';
import { openKubernetesBench, PLAN } from './kubernetes-bench.ts';

const CONTENT = fakeContent({});

/** What two hubs, a node, and the network between them do. */
const ACTIONS = [
  'start 0',
  'start 1',
  'cancel 0',
  'cancel 1',
  'build',
  'fail',
  'evict',
  'lose answer',
  'wait',
] as const;
type Action = (typeof ACTIONS)[number];

/** Lets other threads do what they are asked to, such as compressing. */
const threads = () => new Promise((resolve) => setTimeout(resolve, 1));

const HELD = new Set(['createPod', 'getPod', 'listPods', 'deletePod']);

/** Runs actions with the cluster's answers in the scheduler's order; returns what must hold and did not. */
const play = async (scheduler: fc.Scheduler, actions: readonly Action[]): Promise<void> => {
  const bench = openKubernetesBench();
  const { api, kubelet, clock, key } = bench;
  const builders = [await bench.open(), await bench.open()];
  const alive = () =>
    [...api.pods('builds').values()].filter(
      ({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
    );
  let answersToLose = 0;
  const broken: string[] = [];
  api.onCall = async ({ verb }) => {
    if (HELD.has(verb)) await scheduler.schedule(Promise.resolve(), verb);
  };
  api.onAnswer = async ({ verb }) => {
    if (alive().length > 1) broken.push(`${alive().length} pods build one key`);
    if (HELD.has(verb)) await scheduler.schedule(Promise.resolve(), `${verb} answered`);
    if (verb === 'createPod' && answersToLose-- > 0) throw new KubernetesError(0, 'Cut', 'cut');
    answersToLose = Math.max(0, answersToLose);
  };

  const pending = new Set<Promise<unknown>>();
  const begin = (work: Promise<unknown>) => {
    const settled = work.catch((error: unknown) => {
      if (!(error instanceof Error) || !/does not answer/.test(error.message)) broken.push(String(error));
    });
    pending.add(settled);
    void settled.then(() => pending.delete(settled));
  };
  const step = async () => {
    if (scheduler.count() > 0) await scheduler.waitOne();
    else await clock.advance(50);
    await settle();
  };
  const running = (): string | undefined => alive()[0]?.metadata?.name;
  const effects: Readonly<Record<string, () => void | Promise<void>>> = {
    start: () => undefined,
    build: () => {
      const name = running();
      if (name) kubelet.build(name);
    },
    fail: () => {
      const name = running();
      if (name) kubelet.run(name, 'canary', ['no'], 1);
    },
    evict: () => {
      const name = running();
      if (name) kubelet.phase(name, 'Failed', { reason: 'Evicted', message: 'The node was low on resource.' });
    },
    'lose answer': () => {
      answersToLose += 1;
    },
    wait: () => clock.advance(2_000),
  };
  for (const action of actions) {
    const [verb, hub] = action.split(' ');
    const builder = builders[Number(hub)];
    if (verb === 'start' && builder) begin(builder.start(key, PLAN, CONTENT));
    else if (verb === 'cancel' && builder) begin(builder.cancel(key));
    else await effects[action]?.();
    await step();
  }
  for (let round = 0; pending.size > 0 && round < 2_000; round += 1) {
    await step();
    if (round % 10 === 0) await threads();
  }
  if (pending.size > 0) broken.push('an action never ends');
  api.onCall = undefined;
  api.onAnswer = undefined;
  while (scheduler.count() > 0) await step();

  // Whatever came before, starts that are tried again come to one environment.
  let states: readonly string[] = [];
  for (let round = 0; round < 30 && !(states.length > 0 && states.every((state) => state === 'built')); round += 1) {
    const started = Promise.all(builders.map((builder) => builder.start(key, PLAN, CONTENT)));
    let generations: readonly string[] = [];
    void started.then((value) => (generations = value));
    while (generations.length === 0) {
      await clock.advance(50);
      await threads();
    }
    if (new Set(generations).size !== 1) broken.push(`two hubs build ${generations.join(' and ')}`);
    if (alive().length > 1) broken.push(`${alive().length} pods build one key at the end`);
    const name = running();
    if (name) kubelet.build(name);
    await clock.advance(5_000);
    states = await Promise.all(builders.map(async (builder) => (await builder.status(key)).state));
  }
  if (states.some((state) => state !== 'built')) broken.push(`the hubs say ${states.join(' and ')}`);
  await bench.close();
  assert.deepEqual(broken, []);
};

test('one pod builds a key, whatever two hubs, a node and the network do in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom(...ACTIONS), { minLength: 2, maxLength: 14 }),
      (scheduler, actions) => play(scheduler, actions),
    ),
    { numRuns: 100 },
  );
});
