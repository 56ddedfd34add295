let besides: CSSStyleSheet | undefined;

/** Hides or shows the author's code without touching it: through the slot it stands in, or by its place before the cell. */
export const hideSlotted = (cell: HTMLElement, host: Element | undefined, hide: boolean): void => {
  for (const root of [host?.shadowRoot, cell.shadowRoot]) {
    const slot = root?.querySelector('slot');
    if (slot) slot.style.display = hide ? 'none' : '';
  }
  // A cell around its code is no sibling of it: what stands before is the author's text.
  if (host || cell.hasChildNodes()) return;
  if (!besides) {
    besides = new CSSStyleSheet();
    besides.replaceSync(':has(+live-cell[editing]){display:none!important}');
    document.adoptedStyleSheets.push(besides);
  }
  cell.toggleAttribute('editing', hide);
};
