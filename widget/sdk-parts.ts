import { connectKernel, loadKernel } from '../sdk/connect-kernel.ts';
import { launch } from '../sdk/launch.ts';
import type { PageParts } from './parts.ts';

const SAVE_DELAY_MS = 1_000;

/** Whether this tab remembers anything at all; most pages then need not load what reads it. */
const remembers = (): boolean => {
  try {
    return Object.keys(sessionStorage).some((key) => key.startsWith('liveleaf:server:'));
  } catch {
    return false;
  }
};

/** The SDK as a page uses it. */
export const sdkParts = (): PageParts => ({
  launch: (spec, options) => {
    // It arrives while the hub works; where it does not, `connectKernel` says so.
    loadKernel().catch(() => undefined);
    return launch(spec, options);
  },
  connectKernel,
  memory: (scope) => {
    const servers = async () => {
      const { openSavedServers } = await import('./open-saved-servers.ts');
      return openSavedServers(scope);
    };
    return {
      load: async () => (remembers() ? (await servers()).load() : undefined),
      // Nobody waits for these, and a tab that forgets is no worse off than a new one. First things first: the output.
      save: (saved) =>
        void setTimeout(
          () =>
            void servers().then(
              (store) => store.save(saved),
              () => undefined,
            ),
          SAVE_DELAY_MS,
        ),
      forget: () =>
        void (
          remembers() &&
          servers().then(
            (store) => store.clear(),
            () => undefined,
          )
        ),
    };
  },
  now: () => performance.now(),
});
