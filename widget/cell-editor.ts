import { createLightEditor } from './editor/light-editor.ts';
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

export { answerInput } from './answer-input.ts';
export { createCellMenu } from './elements/cell-menu.ts';
export { hideSlotted } from './hide-block.ts';

/** Puts the light editor into `into`; undefined when the reader has something selected in the code. */
export const openEditor = (options: CellEditorOptions): CellEditor | undefined => {
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
