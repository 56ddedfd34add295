import { connectKernel } from '../sdk/connect-kernel.ts';
import { launch } from '../sdk/launch.ts';
import type { PageParts } from './parts.ts';

/** The SDK as a page uses it; the kernel's half is loaded when a server is there. */
export const sdkParts = (): PageParts => ({
  launch,
  connectKernel: (server, { name, path }) => {
    return connectKernel(server, {
      ...(name === undefined ? {} : { kernelName: name }),
      ...(path === undefined ? {} : { path }),
    });
  },
  savedServers: () => ({ load: () => Promise.resolve(undefined), save: () => undefined, forget: () => undefined }),
  now: () => performance.now(),
});
