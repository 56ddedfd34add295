import { copyLook } from './page/copy-look.ts';
import { codeOf, flagOf, languageOf, sourceOf } from './page/extract.ts';

/** The editor in the place of the author's code, once it is there. */
export interface CellEditor {
  readonly value: string;
  focus(): void;
  dispose(): void;
}

export interface CellEditorOptions {
  readonly block: Element;
  readonly root: ShadowRoot;
  readonly into: HTMLElement;
  readonly label: string;
  onRun(): void;
  onRunAndAdvance(): void;
  onAnnounce(text: string): void;
  onChange(source: string): void;
}

/** Loads the light editor and puts it into `into`; undefined when the reader has something selected in the code. */
export const openEditor = async (options: CellEditorOptions): Promise<CellEditor | undefined> => {
  const { createLightEditor } = await import('./editor/light-editor.ts');
  const { block, into } = options;
  const selection = getSelection();
  if (!options.root.host.isConnected || (selection && !selection.isCollapsed && selection.containsNode(block, true)))
    return undefined;
  copyLook(block, into);
  return createLightEditor({
    root: options.root,
    host: into,
    source: sourceOf(block),
    language: languageOf(codeOf(block)),
    label: options.label,
    readOnly: flagOf(block, 'readonly'),
    block: codeOf(block) as HTMLElement,
    onRun: options.onRun,
    onRunAndAdvance: options.onRunAndAdvance,
    onAnnounce: options.onAnnounce,
    onChange: options.onChange,
  });
};
