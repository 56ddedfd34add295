import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const SETTLED_MS = 3_000;

/** Keeps the room for new objects from growing with the garbage of starting; to be called before anything is loaded. */
export const keepHeapSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/**
 * Gives back what starting needed, once: modules are compiled and lists read by then, and a hub that idles allocates too
 * little for the collector to come by itself.
 */
export const settleMemory = (): void => {
  setFlagsFromString('--semi-space-growth-factor=2');
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    setFlagsFromString('--no-expose-gc');
  }, SETTLED_MS).unref();
};
