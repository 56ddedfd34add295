/**
 * What a cell looks like before anything is loaded, shared by the loader and the elements so that nothing moves
 * when they take over. The row takes no room; the button straddles the lower edge of the code.
 */
export const BASE_STYLE =
  ':host{display:contents}' +
  '.row{position:relative;height:0}' +
  '.run{position:absolute;right:12px;translate:0 -50%;height:28px;min-width:72px;font:500 13px/1 var(--live-font,system-ui);cursor:pointer;border:1px solid var(--live-border,#8888);border-radius:14px;color:var(--live-text,CanvasText);background:var(--live-background,Canvas)}' +
  '.run:before{content:"";display:inline-block;width:7px;height:9px;margin-right:7px;background:var(--live-accent,#2a9d62);clip-path:polygon(0 0,100% 50%,0 100%)}' +
  '.in .run{translate:0 calc(-100% - 8px)}' +
  '.all{height:auto}.all .run{position:static;translate:0}';
