import { lazyStyleSheet } from '../outputs/style-sheet.ts';

const COLOURS: Readonly<Record<string, string>> = {
  comment: 'light-dark(#57606a,#9aa4af)',
  string: 'light-dark(#0a5560,#8fd3a8)',
  number: 'light-dark(#0b4fa8,#8cc2ff)',
  keyword: 'light-dark(#a40e26,#ff9a92)',
  builtin: 'light-dark(#7a2fbf,#d9b3ff)',
  function: 'light-dark(#6b3a00,#f0c75e)',
  decorator: 'light-dark(#7a2fbf,#d9b3ff)',
};

const highlights = Object.entries(COLOURS)
  .map(([kind, colour]) => `::highlight(live-${kind}){color:var(--live-token-${kind},${colour})}`)
  .join('');

/** Sheet of the light editor; the text's own look is copied from the author's block. */
export const editorStyles = lazyStyleSheet(`
.live-editor{display:grid;overflow-x:auto;overflow-y:hidden;white-space:pre;text-align:start;scrollbar-width:thin}
.live-editor:focus-within{outline:2px solid var(--live-accent,light-dark(#0b57b8,#86bcff));outline-offset:2px}
.live-editor>*{grid-area:1/1;box-sizing:border-box;margin:0;padding:0;border:0;min-inline-size:100%;
  font:inherit;letter-spacing:inherit;word-spacing:inherit;white-space:inherit;overflow-wrap:inherit;word-break:inherit;tab-size:inherit;
  text-align:inherit;font-feature-settings:inherit;font-variant-ligatures:inherit;background:none;border-radius:0}
.live-editor>pre{pointer-events:none;color:inherit;inline-size:max-content;max-inline-size:none}
.live-editor>textarea{inline-size:100%;block-size:100%;overflow:hidden;resize:none;outline:none;color:inherit;-webkit-text-fill-color:transparent}
.live-editor>textarea::selection{background:var(--live-selection,light-dark(#b6d5ff,#34527a))}
.live-editor.live-wraps>pre{inline-size:auto}
${highlights}
@media (forced-colors:active){.live-editor>pre{visibility:hidden}.live-editor>textarea{-webkit-text-fill-color:currentcolor}}
@media print{.live-editor{outline:none;overflow:visible}.live-editor>textarea{visibility:hidden}}
`);
