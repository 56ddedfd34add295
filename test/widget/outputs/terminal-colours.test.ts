import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TERMINAL_COLOURS } from '../../../widget/outputs/terminal-styles.ts';

const luminance = (colour: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const value = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (one: string, other: string): number => {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

/** [text on light, text on dark] of plain text, and the pages' grounds. */
const PLAIN = ['#1f2328', '#e2e6ea'] as const;
const PAGES = [
  ['#ffffff', '#f6f8fa', '#f3f4f4'],
  ['#0d1117', '#16191d', '#1e1e1e', '#22272e'],
] as const;

describe('terminal colours', () => {
  for (const [scheme, name] of [
    [0, 'light'],
    [1, 'dark'],
  ] as const) {
    it(`can be read on usual ${name} pages (WCAG AA)`, () => {
      const low = TERMINAL_COLOURS.flatMap((colours, index) =>
        PAGES[scheme].map((page) => ({ index, page, contrast: contrast(colours[scheme], page) })),
      ).filter((found) => found.contrast < 4.5);
      assert.deepEqual(low, []);
    });

    it(`can be read on every ground of the sixteen on ${name} pages`, () => {
      const texts = [...TERMINAL_COLOURS.map((colours) => colours[scheme]), PLAIN[scheme]];
      const low = TERMINAL_COLOURS.flatMap((colours, ground) =>
        texts.map((text) => ({ text, ground, contrast: contrast(text, colours[scheme === 0 ? 2 : 3]) })),
      ).filter((found) => found.contrast < 4.5);
      assert.deepEqual(low, []);
    });
  }
});
