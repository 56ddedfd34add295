/** A style sheet made once, when it is first asked for: importing a module must not need a document. */
export const lazyStyleSheet = (css: string): (() => CSSStyleSheet) => {
  let sheet: CSSStyleSheet | undefined;
  return () => {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    return sheet;
  };
};

/** Adopts the sheet where `node` stands, once; does nothing while `node` stands in no document. */
export const adoptStyles = (node: Node, ...sheets: readonly CSSStyleSheet[]): void => {
  const root = node.getRootNode();
  if (!(root instanceof ShadowRoot || root instanceof Document)) return;
  const missing = sheets.filter((sheet) => !root.adoptedStyleSheets.includes(sheet));
  if (missing.length > 0) root.adoptedStyleSheets = [...root.adoptedStyleSheets, ...missing];
};
