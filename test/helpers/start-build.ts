import { createLocalBuilder, type LocalBuilderOptions } from '../../server/builders/local-builder.ts';
import { systemClock } from '../../server/clock.ts';
import { environmentKey } from '../../server/environments/environment-key.ts';
import type { PythonPlan } from '../../server/environments/plan.ts';
import { fakeContent } from './fake-content.ts';

/** A hub's process in small: starts the build that its argument describes, says so, and lives until it is killed. */
const { plan, interpreter, ...options } = JSON.parse(process.argv[2] ?? '') as {
  plan: PythonPlan;
  interpreter: string;
} & Pick<LocalBuilderOptions, 'state' | 'python' | 'uv' | 'isolation' | 'index'>;

// The state folder's functions do not travel as JSON.
const { stateFolder } = await import('../../server/state/state-folder.ts');
const builder = createLocalBuilder({
  ...options,
  state: stateFolder(options.state.root),
  interpreter: async () => interpreter,
  clock: systemClock,
  onError: console.error,
});
console.log(await builder.start(environmentKey(plan), plan, fakeContent({})));
setInterval(() => undefined, 1000);
