import { BASE_STYLE } from './base-style.ts';
import { awaitsHydration, hostOf, isLight, type CellElement } from './page/attach.ts';
import { DEFAULT_CELLS } from './page/config.ts';
import { THEBE_BLOCKS } from './page/thebe-blocks.ts';

/** What the loader hands to the first chunk. */
export interface Loaded {
  readonly script: HTMLScriptElement | null | undefined;
  /** Where this script came from. */
  readonly url: string;
  /** Cells by their blocks. */
  readonly cells: ReadonlyMap<Element, CellElement>;
  /** Looks for cells again; with a selector, for those from now on. */
  scan(selector?: string): void;
}

/** What the first chunk exports. */
export interface FirstChunk {
  /** Takes over the cells; a second time does nothing. With a cell: its Run button was pressed. */
  activate(loaded: Loaded, cell?: CellElement, trusted?: boolean): Promise<void>;
}

const OWN = /^LIVE-/;
const FLAG = 'liveleaf:';

const element = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> = {},
): HTMLElementTagNameMap[Tag] => Object.assign(document.createElement(tag), properties);

const sheetOf = (text: string): CSSStyleSheet => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
};

/**
 * Finds cells and draws their Run buttons; `load` brings the first chunk, `preload` only its file.
 * The first loader of a page wins, a second does nothing.
 */
export const startLoader = (
  script: HTMLScriptElement | null | undefined,
  url: string,
  load: () => Promise<FirstChunk>,
  preload: () => unknown,
): void => {
  const page = window as unknown as Record<string, unknown>;
  if (page[FLAG]) return;
  page[FLAG] = 1;
  const cells = new Map<Element, CellElement>();
  const base = sheetOf(BASE_STYLE);
  // In a shadow root the first selector counts, in the document the second.
  const hidden = sheetOf(':host,[data-hidden]:has(+live-cell){display:none!important}');
  const thebe = (): unknown => document.querySelector(THEBE_BLOCKS);
  let wanted: string | undefined;
  let settled = false;
  let planned = false;

  const activate = async (cell?: CellElement, trusted?: boolean): Promise<void> =>
    (await load()).activate(loaded, cell, trusted);

  /** The button of an element whose class is still to come. */
  const draw = (cell: CellElement, all: boolean): void => {
    const root = cell.attachShadow({ mode: 'open' });
    const row = element('div', { className: all ? 'row all' : 'row' });
    const button = element('button', {
      className: 'run',
      textContent: all ? 'Run all' : 'Run',
      onpointerenter: preload,
      onfocus: preload,
      onclick: async ({ isTrusted }) => {
        // A synthetic click launches only on a Thebe page, and before anything is loaded no kernel can exist.
        if (!isTrusted && !thebe()) return;
        button.textContent = '…';
        await activate(cell, isTrusted).catch(() => (button.textContent = 'Try again'));
      },
    });
    row.append(button);
    root.append(element('slot'), row);
    root.adoptedStyleSheets = [base];
  };

  /** Puts a cell beside its block without changing what the author wrote; undefined where it must wait. */
  const place = (block: Element): CellElement | undefined => {
    if (OWN.test(block.tagName)) return block as CellElement;
    const host = hostOf(block);
    const there = host?.shadowRoot;
    const cell = (there?.querySelector('live-cell') ?? element('live-cell' as 'div')) as CellElement;
    if (host && !there) {
      const root = host.attachShadow({ mode: 'open' });
      root.append(element('slot'), cell);
      if (block.matches('[data-hidden]')) root.adoptedStyleSheets = [hidden];
      cell.host = host;
    } else if (!cell.isConnected) {
      if (!settled && awaitsHydration(block)) return undefined;
      block.after(cell);
    }
    return cell;
  };

  const scan = (selector?: string): void => {
    planned = false;
    wanted = selector ?? wanted;
    const query =
      wanted ??
      script?.dataset['cells'] ??
      document.querySelector('live-page')?.getAttribute('cells') ??
      (thebe() ? '[data-executable]' : DEFAULT_CELLS);
    let heading = '';
    let number = 0;
    for (const [block, cell] of cells) {
      if (block.isConnected) continue;
      if (!cell.host && cell !== block) cell.remove();
      cells.delete(block);
    }
    for (const block of document.querySelectorAll(`${query},live-cell,live-launch,h1,h2,h3,h4,h5,h6`)) {
      if (/^H\d/.test(block.tagName)) heading = block.textContent.replace(/[¶#\s]+$/, '');
      else if (
        !block.parentElement?.closest(`${query},live-cell`) &&
        ((block as CellElement).block ?? block) === block
      ) {
        const cell = cells.get(block) ?? place(block);
        if (!cell) continue;
        cells.set(block, cell);
        cell.block = block;
        if (block.matches('[data-hidden]')) continue;
        const all = block.tagName === 'LIVE-LAUNCH';
        if (!all) cell.name = `code ${++number}${heading && `, ${heading}`}`;
        if (cell.refresh) continue;
        if (!cell.shadowRoot) draw(cell, all);
        if (!all) cell.shadowRoot!.querySelector('button')!.ariaLabel = `Run ${cell.name}`;
      }
    }
    // First read everything, then write: one layout, however many cells.
    const looks = [...cells].map(([block, cell]) => {
      const below = getComputedStyle(cell.host ?? cell).overflow;
      return [cell, isLight(getComputedStyle(cell).color), getComputedStyle(block).marginBottom, below] as const;
    });
    for (const [cell, light, margin, overflow] of looks) {
      cell.scheme = script?.dataset['theme']?.match(/light|dark/)?.[0] ?? (light ? 'dark' : 'light');
      const row = cell.shadowRoot?.querySelector<HTMLElement>('.row');
      cell.refresh?.();
      if (!row) continue;
      row.style.colorScheme = cell.scheme;
      row.style.top = `-${margin}`;
      row.classList.toggle('in', overflow !== 'visible');
    }
  };

  const plan = (): void => {
    if (!planned) requestAnimationFrame(() => scan());
    planned = true;
  };

  const loaded: Loaded = { script, url, cells, scan };

  const begin = (): void => {
    document.adoptedStyleSheets.push(hidden);
    scan();
    const observer = new MutationObserver(plan);
    observer.observe(document, { childList: true, subtree: true });
    for (const root of [document.documentElement, document.body]) observer.observe(root, { attributes: true });
    // A page that has not hydrated by then never will.
    setTimeout(() => {
      settled = true;
      plan();
    }, 5e3);
    // What a Thebe page may expect without a click is known to the first chunk alone.
    if (thebe()) void activate().catch(() => 0);
  };
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', begin);
  else begin();
};
