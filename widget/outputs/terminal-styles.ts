import { lazyStyleSheet } from './style-sheet.ts';

/**
 * The sixteen colours, each as [text on light, text on dark, ground on light, ground on dark]. Grounds are tints of the
 * page's, so that every text colour keeps a contrast of 4.5 on every ground, in both schemes (a test computes it).
 */
export const TERMINAL_COLOURS: readonly (readonly [string, string, string, string])[] = [
  ['#24292f', '#b4bcc6', '#dfe3e8', '#2b3036'],
  ['#a40e26', '#ff9a92', '#ffdfdc', '#4a1215'],
  ['#0c5a25', '#6fd283', '#d3f3d9', '#0c3a1a'],
  ['#6b4400', '#e3b341', '#fbeeb5', '#43300a'],
  ['#0b4fa8', '#8cc2ff', '#dcebff', '#0c2f55'],
  ['#7a2fbf', '#d9b3ff', '#f0e4ff', '#361c55'],
  ['#0a5560', '#5fd4de', '#d2f1f4', '#0a3a42'],
  ['#4b535c', '#d5dbe2', '#eaedf0', '#3a4149'],
  ['#525a63', '#a5afba', '#e4e8ec', '#32383f'],
  ['#b01030', '#ffa8a0', '#ffe6e4', '#541a1d'],
  ['#0f6029', '#86e09a', '#def7e3', '#11421f'],
  ['#724a00', '#f0c75e', '#fdf3c8', '#4c380f'],
  ['#1158b5', '#a5d0ff', '#e6f1ff', '#12385f'],
  ['#8338c8', '#e3c5ff', '#f5ecff', '#3e2460'],
  ['#0e5c68', '#7fe0e8', '#def5f7', '#10424a'],
  ['#3b434b', '#f0f3f6', '#f3f5f7', '#3b424a'],
];

const colourRules = TERMINAL_COLOURS.map(
  ([light, dark, lightGround, darkGround], index) =>
    `.live-f${index}{color:var(--live-ansi-${index},light-dark(${light},${dark}))}` +
    `.live-g${index}{background:var(--live-ansi-ground-${index},light-dark(${lightGround},${darkGround}))}`,
).join('');

/** The rules as text, for those who build their own sheet. */
const terminalCss = `
.live-terminal{display:block;margin:0;white-space:pre-wrap;overflow-wrap:anywhere;tab-size:8;unicode-bidi:plaintext;
  font:var(--live-output-font,var(--live-output-font-size,.875em)/1.45 var(--live-font-mono,ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace))}
.live-terminal-block{display:block;content-visibility:auto;contain-intrinsic-block-size:auto 145em}
.live-terminal-note{display:block;font-style:italic;color:var(--live-muted,light-dark(#57606a,#9aa4af))}
.live-terminal-note[hidden]{display:none}
.live-b{font-weight:700}
.live-d{opacity:.8}
.live-i{font-style:italic}
.live-u{text-decoration:underline}
.live-s{text-decoration:line-through}
.live-u.live-s{text-decoration:underline line-through}
.live-fr{color:var(--live-background,light-dark(#fff,#16191d))}
.live-gr{background:var(--live-text,light-dark(#1f2328,#e2e6ea))}
${colourRules}
.live-fx{color:var(--live-text-colour)}
.live-gx{background:var(--live-text-ground)}
@supports (color:oklch(from red l c h)){
.live-fx{color:light-dark(oklch(from var(--live-text-colour) min(l,.5) c h),oklch(from var(--live-text-colour) max(l,.74) c h))}
.live-gx{background:light-dark(oklch(from var(--live-text-ground) max(l,.9) min(c,.08) h),oklch(from var(--live-text-ground) min(l,.32) min(c,.08) h))}
}
@media (forced-colors:active){.live-terminal *{forced-color-adjust:auto}}
@media print{.live-terminal-block{content-visibility:visible}}
`;

/** Sheet of `.live-terminal` (put that class on the element that is drawn into) and of the colours within it. */
export const terminalStyles = lazyStyleSheet(terminalCss);
