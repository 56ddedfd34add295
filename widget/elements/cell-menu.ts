import type { PageController } from '../controller.ts';
import { menuSheet } from '../menu-style.ts';
import { adoptStyles } from '../outputs/style-sheet.ts';
import { make } from './base-element.ts';

/** What can be done beyond one cell, behind a small button beside Run. */
export interface CellMenu {
  /** Puts the button into the row, once, and names it. */
  show(row: Element, name: string, controller: PageController): void;
}

/** A disclosure: Escape and leaving close it, and the focus goes back to its button. */
export const createCellMenu = (): CellMenu => {
  const list = make('div', { className: 'menu', hidden: true });
  const button = make('button', { className: 'more', textContent: '⋯', ariaExpanded: 'false' });
  const box = make('div', {}, button, list);
  const open = (wanted: boolean): void => {
    list.hidden = !wanted;
    button.ariaExpanded = `${wanted}`;
  };
  button.onclick = () => open(list.hidden !== false);
  box.onkeydown = ({ key }) => {
    if (key !== 'Escape' || list.hidden) return;
    open(false);
    button.focus();
  };
  box.addEventListener('focusout', ({ relatedTarget }) => {
    if (!box.contains(relatedTarget as Node | null)) open(false);
  });
  return {
    show: (row, name, controller) => {
      button.ariaLabel = `More for ${name}`;
      if (box.parentNode === row) return;
      const choices: readonly [string, () => unknown][] = [
        ['Run all', () => controller.runAll(true)],
        ['Restart the kernel', () => controller.restart()],
        ['Restart and run all', () => controller.restart(true)],
      ];
      for (const [textContent, action] of choices) {
        const onclick = (): void => {
          button.focus();
          open(false);
          void action();
        };
        list.append(make('button', { textContent, onclick }));
      }
      row.append(box);
      adoptStyles(row, menuSheet());
    },
  };
};
