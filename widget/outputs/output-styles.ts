import { lazyStyleSheet } from './style-sheet.ts';

/**
 * The rules as text, for those who build their own sheet. Properties: `--live-text`, `--live-muted`, `--live-background`,
 * `--live-surface`, `--live-border`, `--live-accent`, `--live-error`, `--live-warning`, `--live-font-mono`,
 * `--live-font-ui`, `--live-output-font-size`, `--live-output-max-height`, `--live-image-background`. Without them the
 * colours follow `color-scheme`.
 */
const outputCss = `
.live-outputs{
  --_text:var(--live-text,light-dark(#1f2328,#e2e6ea));
  --_muted:var(--live-muted,light-dark(#57606a,#9aa4af));
  --_border:var(--live-border,light-dark(#d4d9de,#3b424a));
  --_accent:var(--live-accent,light-dark(#0b57b8,#86bcff));
  --_error:var(--live-error,light-dark(#a8122a,#ff9a92));
  --_warning:var(--live-warning,light-dark(#7a5200,#e3b341));
  --_ui:var(--live-font-ui,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif);
  display:grid;grid-template-columns:minmax(0,1fr);gap:.625rem;color:var(--_text);text-align:start}
.live-outputs:empty{display:none}
.live-output{min-inline-size:0}
.live-output:empty{min-block-size:1lh}
.live-scroll{overflow:auto;overscroll-behavior-x:contain;max-block-size:var(--live-output-max-height,36rem);scrollbar-width:thin}
.live-scroll:focus-visible{outline:2px solid var(--_accent);outline-offset:2px;border-radius:2px}
.live-structured{white-space:pre;overflow-wrap:normal;inline-size:max-content;min-inline-size:100%}
.live-label{display:block;margin-block-end:.125rem;font:600 .6875rem/1.4 var(--_ui);letter-spacing:.04em;color:var(--_warning)}
.live-stderr{border-inline-start:3px solid var(--_warning);padding-inline-start:.625rem}
.live-error{border-inline-start:3px solid var(--_error);padding-inline-start:.625rem}
.live-error-line{margin:0;font:600 var(--live-output-font-size,.875em)/1.45 var(--live-font-mono,ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace);color:var(--_error);overflow-wrap:anywhere}
summary.live-error-line{cursor:pointer;list-style-position:outside;margin-inline-start:1.1em}
summary.live-error-line:focus-visible{outline:2px solid var(--_accent);outline-offset:2px;border-radius:2px}
.live-traceback[open]>summary{margin-block-end:.5rem}
.live-note{margin:0;font:.8125rem/1.5 var(--_ui);color:var(--_muted)}
.live-fallback{display:grid;grid-template-columns:minmax(0,1fr);gap:.375rem}
.live-figure{max-inline-size:100%;overflow:hidden}
.live-image{display:block;max-inline-size:100%;block-size:auto;border-radius:3px;background:var(--live-image-background,light-dark(transparent,#fff))}
.live-image.live-on-light{background:#fff}
.live-image.live-on-dark{background:#16191d}
.live-html{contain:content;max-block-size:none}
@supports (animation-timeline:scroll()){.live-html{animation:live-more linear;animation-timeline:scroll(self inline)}
@keyframes live-more{0%,98%{mask-image:linear-gradient(90deg,#000 calc(100% - 2.5rem),#0003)}}}
@media print{.live-scroll{max-block-size:none;overflow:visible}.live-structured{white-space:pre-wrap}}
`;

/** Sheet of everything that `renderOutputs` draws; with `terminalStyles` beside it. */
export const outputStyles = lazyStyleSheet(outputCss);
