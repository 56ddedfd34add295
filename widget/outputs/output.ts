import type { MimeBundle } from '../../sdk/kernel.ts';
import { terminalPlainText, type TerminalState } from './terminal-state.ts';

interface Numbered {
  /** Stays the same while the output is written to or updated. */
  readonly id: number;
}

/** What one or more stream messages in a row have printed. */
export interface StreamOutput extends Numbered {
  readonly type: 'stream';
  readonly name: 'stdout' | 'stderr';
  readonly terminal: TerminalState;
}

/** A MIME bundle: displayed, or the result of the execution. */
export interface DataOutput extends Numbered {
  readonly type: 'display' | 'result';
  readonly data: MimeBundle;
  readonly metadata: MimeBundle;
  readonly displayId?: string;
  readonly executionCount?: number;
  /** Characters that it holds, near enough for a limit. */
  readonly size: number;
}

export interface ErrorOutput extends Numbered {
  readonly type: 'error';
  readonly name: string;
  readonly value: string;
  readonly traceback: readonly string[];
  readonly size: number;
}

/** Stands first where the limits of a cell were passed. */
export interface OmittedOutput extends Numbered {
  readonly type: 'omitted';
  readonly outputs: number;
  /** Lines of the streams among them. */
  readonly lines: number;
}

/** One output of a cell, as it is shown. */
export type Output = StreamOutput | DataOutput | ErrorOutput | OmittedOutput;

/** A MIME value as text: notebooks hold texts as lists of lines, too; undefined when it is neither. */
export const mimeText = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((line) => typeof line === 'string')) return value.join('');
  return undefined;
};

/** The output as plain text, such as for a clipboard; '' where it has none. */
export const outputText = (output: Output): string => {
  if (output.type === 'stream') return terminalPlainText(output.terminal);
  if (output.type === 'error') return output.traceback.join('\n') || `${output.name}: ${output.value}`;
  return output.type === 'omitted' ? '' : (mimeText(output.data['text/plain']) ?? '');
};
