/**
 * What a cell looks like before anything is loaded, shared by the loader and the elements so that nothing moves
 * when they take over. The row takes no room; the button straddles the lower edge of the code.
 */
export const BASE_STYLE =
  ':host{display:contents;--_accent:var(--live-accent,light-dark(#1a7f4b,#4cc38a))}' +
  '.row{position:relative;height:0;z-index:1}' +
  '.run{position:absolute;right:12px;translate:0 -50%;height:28px;min-width:72px;padding:0 12px;font:500 13px/1 var(--live-font,system-ui,sans-serif);white-space:nowrap;cursor:pointer;border:1px solid var(--live-border,light-dark(#c9ced6,#4b525c));border-radius:14px;color:var(--live-text,light-dark(#24292f,#e6e9ed));background:var(--live-background,light-dark(#fff,#262b33))}' +
  '.run:before{content:"";display:inline-block;width:7px;height:9px;margin-right:7px;background:var(--_accent);clip-path:polygon(0 0,100% 50%,0 100%)}' +
  '.run:hover{border-color:currentColor}' +
  '.run:focus-visible{outline:2px solid var(--_accent);outline-offset:2px}' +
  '.in .run{translate:0 calc(-100% - 8px)}' +
  '.all{height:auto}.all .run{position:static;translate:0}';
