const BOX = [
  'background-color',
  'border-bottom-left-radius',
  'border-bottom-right-radius',
  'border-top-left-radius',
  'border-top-right-radius',
  'box-shadow',
  'color',
  'font-family',
  'font-feature-settings',
  'font-size',
  'font-style',
  'font-weight',
  'letter-spacing',
  'line-height',
  'margin-bottom',
  'margin-top',
  'margin-left',
  'margin-right',
  'max-width',
  'tab-size',
  ...['top', 'right', 'bottom', 'left'].flatMap((side) => [
    `border-${side}-color`,
    `border-${side}-style`,
    `border-${side}-width`,
    `padding-${side}`,
  ]),
] as const;

const TRANSPARENT = /^(?:transparent|rgba\(0, 0, 0, 0\))$/;

/** Gives `target` the box and the type of the author's code, so that an editor in it takes the same place to the pixel. */
export const copyLook = (block: Element, target: HTMLElement): void => {
  const pre = block.matches('pre') ? block : (block.querySelector('pre') ?? block);
  const box = getComputedStyle(pre);
  for (const name of BOX) target.style.setProperty(name, box.getPropertyValue(name));
  // Highlighters style the `code` within: its padding, its type and sometimes the ground.
  const code = pre.querySelector(':scope > code');
  if (!code) return;
  const inner = getComputedStyle(code);
  for (const name of BOX.filter((each) => /^(?:color|font|letter|line|tab)/.test(each)))
    target.style.setProperty(name, inner.getPropertyValue(name));
  if (!TRANSPARENT.test(inner.backgroundColor)) target.style.backgroundColor = inner.backgroundColor;
  if (inner.display === 'inline') return;
  for (const side of ['top', 'right', 'bottom', 'left']) {
    const name = `padding-${side}`;
    const sum = Number.parseFloat(box.getPropertyValue(name)) + Number.parseFloat(inner.getPropertyValue(name));
    target.style.setProperty(name, `${sum}px`);
  }
};
