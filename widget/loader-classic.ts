import { loadFirst } from './load-first.ts';

const script = document.currentScript as HTMLScriptElement | null;

loadFirst(script, script?.src || location.href);
