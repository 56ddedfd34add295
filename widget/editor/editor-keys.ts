import type { Language } from './languages.ts';

/** What the keys of an editor can ask of the cell. */
export interface EditorActions {
  readonly onRun: () => void;
  readonly onRunAndAdvance: () => void;
  readonly onAnnounce: (text: string) => void;
}

/** Types into the field as a hand would, so that the browser's own undo knows it. */
const insert = (field: HTMLTextAreaElement, text: string): void => {
  if (document.execCommand(text === '' ? 'delete' : 'insertText', false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
  field.dispatchEvent(new Event('input'));
};

const lineStart = (field: HTMLTextAreaElement): number => field.value.lastIndexOf('\n', field.selectionStart - 1) + 1;

/** The text of the caret's line before the caret. */
const beforeCaret = (field: HTMLTextAreaElement): string => field.value.slice(lineStart(field), field.selectionStart);

const newLine = (field: HTMLTextAreaElement, language: Language): void => {
  const before = beforeCaret(field);
  const indent = /^[ \t]*/.exec(before)?.[0] ?? '';
  insert(field, `\n${indent}${language.opens.test(before) ? language.indent : ''}`);
};

/** Indents or outdents whole lines and keeps them selected. */
const shiftLines = (field: HTMLTextAreaElement, { indent }: Language, out: boolean): void => {
  const { selectionStart, selectionEnd, value } = field;
  const start = lineStart(field);
  const end =
    selectionEnd > selectionStart && value.charAt(selectionEnd - 1) === '\n' ? selectionEnd - 1 : selectionEnd;
  const lines = value.slice(start, end).split('\n');
  const outdent = new RegExp(`^(?:\\t| {1,${indent.length}})`);
  const shifted = lines.map((line) => (out ? line.replace(outdent, '') : line && indent + line));
  if (shifted.join('\n') === lines.join('\n')) return;
  field.setSelectionRange(start, end);
  insert(field, shifted.join('\n'));
  const first = (shifted[0]?.length ?? 0) - (lines[0]?.length ?? 0);
  const growth = shifted.join('\n').length - (end - start);
  field.setSelectionRange(Math.max(start, selectionStart + first), Math.max(start, selectionEnd + growth));
};

const tab = (field: HTMLTextAreaElement, language: Language, out: boolean): void => {
  const several = field.value.slice(field.selectionStart, field.selectionEnd).includes('\n');
  if (out || several) return shiftLines(field, language, out);
  const size = language.indent.length;
  insert(field, ' '.repeat(size - (beforeCaret(field).length % size)));
};

/** Takes back one step of indentation; false where there is none before the caret. */
const backspace = (field: HTMLTextAreaElement, { indent }: Language): boolean => {
  const before = beforeCaret(field);
  if (field.selectionStart !== field.selectionEnd || !/^ {2,}$/.test(before)) return false;
  const size = before.length % indent.length || indent.length;
  field.setSelectionRange(field.selectionStart - size, field.selectionStart);
  insert(field, '');
  return true;
};

/** Listens to the keys of a field until `signal` aborts. After Escape the next Tab leaves, so the keyboard is never trapped. */
export const listenToKeys = (
  field: HTMLTextAreaElement,
  language: Language,
  actions: EditorActions,
  signal: AbortSignal,
): void => {
  let leaves = false;
  const edit = (event: KeyboardEvent): boolean => {
    if (field.readOnly || event.altKey || event.ctrlKey || event.metaKey) return false;
    if (event.key === 'Tab') tab(field, language, event.shiftKey);
    else if (event.key === 'Enter') newLine(field, language);
    else return event.key === 'Backspace' && backspace(field, language);
    return true;
  };
  const run = (event: KeyboardEvent): boolean => {
    if (event.key !== 'Enter' || event.altKey) return false;
    const here = event.ctrlKey || event.metaKey;
    if (here) actions.onRun();
    else if (event.shiftKey) actions.onRunAndAdvance();
    return here || event.shiftKey;
  };
  field.addEventListener(
    'keydown',
    (event) => {
      if (event.isComposing) return;
      const leaving = leaves && event.key === 'Tab';
      if (event.key === 'Escape' && !leaves) actions.onAnnounce('Tab now leaves the editor.');
      if (event.key !== 'Shift') leaves = event.key === 'Escape';
      if (!leaving && (run(event) || edit(event))) event.preventDefault();
    },
    { signal },
  );
  field.addEventListener('blur', () => (leaves = false), { signal });
};
