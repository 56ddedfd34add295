import { lazyStyleSheet } from './style-sheet.ts';

/** Sheet of what `askInput` draws. */
export const inputStyles = lazyStyleSheet(`
.live-input{display:flex;flex-wrap:wrap;align-items:end;gap:.5rem;margin:0;font:.875rem/1.4 var(--live-font-ui,system-ui,sans-serif);color:var(--live-text,light-dark(#1f2328,#e2e6ea))}
.live-input label{flex:1 1 16rem;display:grid;gap:.25rem;min-inline-size:0;white-space:pre-wrap;overflow-wrap:anywhere}
.live-input input{box-sizing:border-box;inline-size:100%;min-block-size:2.25rem;padding:.25rem .5rem;font:var(--live-output-font-size,.875rem)/1.4 var(--live-font-mono,ui-monospace,Menlo,Consolas,monospace);color:inherit;background:var(--live-surface,light-dark(#fff,#1d2126));border:1px solid var(--live-input-border,light-dark(#7c8590,#8b949e));border-radius:4px}
.live-input button{min-block-size:2.25rem;padding:.25rem .875rem;font:600 .875rem/1.4 var(--live-font-ui,system-ui,sans-serif);color:light-dark(#fff,#10141a);background:var(--live-accent,light-dark(#0b57b8,#86bcff));border:1px solid transparent;border-radius:4px;cursor:pointer}
.live-input :focus-visible{outline:2px solid var(--live-accent,light-dark(#0b57b8,#86bcff));outline-offset:2px}
`);
