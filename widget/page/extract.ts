/** The element whose text is the code: the block itself, or the `pre` in a block that is a wrapper. */
export const codeOf = (block: Element): Element =>
  block.matches('pre') ? block : (block.querySelector('pre') ?? block);

/** The code of a block, without the empty lines that markup puts around it. */
export const sourceOf = (block: Element): string =>
  codeOf(block)
    .textContent.replace(/\r\n?/g, '\n')
    .replace(/^(?:[ \t]*\n)+|\s+$/g, '');

/** The language that the markup names; default `python`. */
export const languageOf = (block: Element): string => {
  const named =
    block.closest('live-cell')?.getAttribute('language') ??
    block.closest('[data-language]')?.getAttribute('data-language');
  const code = codeOf(block);
  const classes = [
    code.querySelector('code')?.className,
    code.className,
    block.className,
    block.parentElement?.className,
  ];
  return (
    named || (/\b(?:language|lang|highlight-source|highlight)-([\w+#-]+)/.exec(classes.join(' '))?.[1] ?? 'python')
  );
};

/** A flag of a block, or of the `live-cell` around it, where it stands without `data-`: present and not `"false"`. */
export const flagOf = (block: Element, name: string): boolean => {
  const value = block.getAttribute(`data-${name}`) ?? block.closest('live-cell')?.getAttribute(name);
  return value != null && value !== 'false';
};

/** The author's stored output that belongs to a cell: the next element after it that is one. */
export const storedOutputOf = (cell: Element, host: Element | undefined, selector: string): Element | undefined => {
  const next = (host ?? cell).nextElementSibling;
  return next?.matches(selector) ? next : undefined;
};
