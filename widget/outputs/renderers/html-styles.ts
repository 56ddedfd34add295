import { lazyStyleSheet } from '../style-sheet.ts';

/** Names that libraries take from JupyterLab for their own outputs; so these follow light and dark, too. */
const jupyterColours = Object.entries({
  'content-font-color': ['#1f2328,#e2e6ea', '#1f2328,#e2e6ea', '#57606a,#9aa4af', '#6e7781,#848d97'],
  'layout-color': ['#ffffff,#16191d', '#ffffff,#16191d', '#f3f5f7,#22272d', '#e4e8ec,#2f353c'],
  'border-color': ['#afb8c1,#565f69', '#c4cbd2,#474f58', '#d4d9de,#3b424a', '#e4e8ec,#2f353c'],
})
  .flatMap(([name, pairs]) => pairs.map((pair, level) => `--jp-${name}${level}:light-dark(${pair})`))
  .join(';');

/** How HTML outputs look inside their shadow root: tables above all. */
export const htmlStyles = lazyStyleSheet(`
:host{${jupyterColours};display:block;color:var(--live-text,light-dark(#1f2328,#e2e6ea));
  font:.875rem/1.5 var(--live-font-ui,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif);
  --_border:var(--live-border,light-dark(#d4d9de,#3b424a));
  --_stripe:var(--live-table-stripe,light-dark(#f5f7f9,#20252b))}
:where(p,ul,ol,dl,pre,blockquote,figure,table,h1,h2,h3,h4,h5,h6){margin:0 0 .5rem}
:where(:last-child){margin-block-end:0}
:where(p,li,dd,blockquote,h1,h2,h3,h4){max-inline-size:70ch}
:where(a){color:var(--live-accent,light-dark(#0b57b8,#86bcff));text-underline-offset:.15em}
:where(a:focus-visible,summary:focus-visible){outline:2px solid;outline-offset:2px}
:where(img,video){max-inline-size:100%;block-size:auto}
:where(pre,code,kbd,samp){font-family:var(--live-font-mono,ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace)}
:where(table){border-collapse:collapse;border:0;font-size:.8125rem;font-variant-numeric:tabular-nums;line-height:1.4;color:inherit}
:where(caption){padding:.25rem .75rem;caption-side:top;color:var(--live-muted,light-dark(#57606a,#9aa4af))}
:where(th,td){padding:.3125rem .75rem;border:0;text-align:start;vertical-align:top}
:where(.dataframe,[id^="user-content-T_"]) :where(th,td){text-align:end;white-space:nowrap}
:where(th){font-weight:600}
:where(thead th){border-block-end:1px solid var(--_border);vertical-align:bottom}
:where(tbody tr:nth-child(even)){background:var(--_stripe)}
:where(tbody) :where(th){text-align:start}
:where(tbody:last-child tr:last-child>*){border-block-end:1px solid var(--_border)}
:where(table ~ p){margin-block-start:.5rem;font-size:.8125rem;color:var(--live-muted,light-dark(#57606a,#9aa4af))}
@media (hover:hover){:where(tbody tr:hover){background:var(--live-table-hover,light-dark(#e9f1fb,#2a3440))}}
`);
