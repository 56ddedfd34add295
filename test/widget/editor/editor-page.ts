// Runs in the page that `light-editor.test.ts` serves.
import { createLightEditor, type LightEditor } from '../../../widget/editor/light-editor.ts';
import { copyLook } from '../../../widget/page/copy-look.ts';

const TOKENS: readonly (readonly [string, string])[] = [
  ['c', '# The mean'],
  ['', '\n'],
  ['k', 'def'],
  ['', ' mean(values):\n    '],
  ['k', 'return'],
  ['', ' sum(values) / '],
  ['n', '2'],
  ['', '\n'],
];

const page = new CSSStyleSheet();
page.replaceSync(`
  body{font:16px/1.6 system-ui,sans-serif;margin:20px;width:600px}
  pre{margin:13px 0;padding:11px 17px 9px;border:1px solid #ccc;background:#f6f8fa;overflow:auto;font:13.5px/1.37 monospace}
  .loose pre{line-height:normal;font-size:15px} .wrapped{width:150px} .wrapped pre{white-space:pre-wrap}
  .padded code{display:block;padding:7px 5px;font-size:14px;line-height:21px} .k{color:rgb(0,100,1)} .c{color:rgb(90,91,92)}
`);
document.adoptedStyleSheets = [page];

const hide = new CSSStyleSheet();
hide.replaceSync('::slotted(*){display:none!important}');

const events: string[] = [];
let editor: LightEditor | undefined;

/** Puts a block on the page, and an editor in its place; gives the height before and after. */
const open = (kind = '', source?: string, readOnly = false): { readonly before: number; readonly after: number } => {
  editor?.dispose();
  document.body.replaceChildren();
  events.length = 0;
  const wrapper = document.createElement('div');
  const pre = document.createElement('pre');
  const code = document.createElement('code');
  wrapper.className = kind;
  for (const [name, text] of TOKENS) {
    const span = document.createElement('span');
    span.className = name;
    span.textContent = text;
    code.append(name ? span : text);
  }
  pre.append(code);
  wrapper.append(pre);
  const before = document.createElement('button');
  const after = document.createElement('button');
  [before.textContent, after.textContent] = ['before', 'after'];
  document.body.append(before, wrapper, after);
  const root = wrapper.attachShadow({ mode: 'open' });
  const host = document.createElement('div');
  root.append(document.createElement('slot'), host);
  const height = wrapper.getBoundingClientRect().height;
  copyLook(pre, host);
  editor = createLightEditor({
    root,
    host,
    source: source ?? code.textContent.trimEnd(),
    language: 'python',
    label: 'Code of cell 1',
    readOnly,
    onRun: () => events.push('run'),
    onRunAndAdvance: () => events.push('run and advance'),
    onChange: (text) => events.push(`change ${text.length}`),
    onAnnounce: (text) => events.push(text),
  });
  root.adoptedStyleSheets.push(hide);
  return { before: height, after: wrapper.getBoundingClientRect().height };
};

const field = (): HTMLTextAreaElement | null =>
  document.querySelector('div')?.shadowRoot?.querySelector('textarea') ?? null;

const select = (start: number, end = start): void => {
  editor?.focus();
  field()?.setSelectionRange(start, end);
};

/** The highlighted texts by kind. */
const highlights = (): Record<string, string[]> =>
  Object.fromEntries(
    [...CSS.highlights].map(([name, highlight]) => [
      name,
      [...highlight].map((range) => range.startContainer.textContent?.slice(range.startOffset, range.endOffset) ?? ''),
    ]),
  );

Object.assign(globalThis, {
  open,
  select,
  highlights,
  events,
  value: () => editor?.value,
  setValue: (text: string) => editor?.setValue(text),
  selection: () => [field()?.selectionStart, field()?.selectionEnd],
  colour: (kind: string) =>
    getComputedStyle(field()?.previousElementSibling ?? document.body, `::highlight(live-${kind})`).color,
  overlaid: () => {
    const [text, input] = [field()?.previousElementSibling, field()].map((element) => element?.getBoundingClientRect());
    return [text?.width === input?.width, text?.height === input?.height, text?.top === input?.top];
  },
  /** By the font's fixed width of a character; the caret's own place is not told. */
  caretIsInView: () => {
    const input = field();
    const box = input?.parentElement;
    if (!input || !box) return false;
    const line = input.value.slice(0, input.selectionStart).split('\n').at(-1) ?? '';
    const longest = Math.max(...input.value.split('\n').map((each) => each.length));
    const place =
      (line.length / longest) * input.previousElementSibling!.getBoundingClientRect().width - box.scrollLeft;
    return place >= -1 && place <= box.clientWidth + 1;
  },
  close: () => {
    editor?.dispose();
    editor = undefined;
    return [CSS.highlights.size, document.querySelector('div')?.shadowRoot?.querySelector('textarea')];
  },
  violations: [],
  ready: true,
});
document.addEventListener('securitypolicyviolation', (event) =>
  (globalThis as unknown as { violations: string[] }).violations.push(event.violatedDirective),
);
