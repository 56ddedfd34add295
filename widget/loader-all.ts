import { activate } from './activate.ts';
import { startLoader } from './loader.ts';

const script = document.currentScript as HTMLScriptElement | null;

startLoader(
  script,
  script?.src || location.href,
  () => Promise.resolve({ activate }),
  () => undefined,
);
