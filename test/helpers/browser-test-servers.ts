import { startBinderhub } from './binderhub-server.ts';
import { startFakeHub } from './fake-hub.ts';
import { startKernelLab } from './kernel-lab.ts';

/** Real servers that browser tests talk to; each part adds its own starter to this one visible list. */
const STARTERS: Readonly<Record<string, () => Promise<{ address: string; close(): Promise<void> }>>> = {
  binderHub: startBinderhub,
  fakeHub: startFakeHub,
  kernelLab: startKernelLab,
};

/** Starts them all on loopback, on free ports. */
export const startTestServers = async (): Promise<{ addresses: Record<string, string>; close(): Promise<void> }> => {
  const started = await Promise.all(
    Object.entries(STARTERS).map(async ([name, start]) => [name, await start()] as const),
  );
  return {
    addresses: Object.fromEntries(started.map(([name, server]) => [name, server.address])),
    close: async () => {
      await Promise.all(started.map(([, server]) => server.close()));
    },
  };
};
