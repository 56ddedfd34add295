import type { MimeBundle, OutputMessage } from './kernel.ts';

type Fields = Readonly<Record<string, unknown>>;

const bundle = (value: unknown): MimeBundle =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as MimeBundle) : {};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const displayIdOf = (content: Fields): string | undefined => {
  const id = bundle(content['transient'])['display_id'];
  return typeof id === 'string' && id !== '' ? id : undefined;
};

const data = (content: Fields) => ({ data: bundle(content['data']), metadata: bundle(content['metadata']) });

/** How each of Jupyter's output messages reads in our words. */
const READERS: Readonly<Record<string, (content: Fields) => OutputMessage | undefined>> = {
  stream: (content) => ({
    type: 'stream',
    name: content['name'] === 'stderr' ? 'stderr' : 'stdout',
    text: text(content['text']),
  }),
  display_data: (content) => {
    const displayId = displayIdOf(content);
    return { type: 'display', ...data(content), ...(displayId === undefined ? {} : { displayId }) };
  },
  update_display_data: (content) => {
    const displayId = displayIdOf(content);
    return displayId === undefined ? undefined : { type: 'update', ...data(content), displayId };
  },
  execute_result: (content) => {
    const displayId = displayIdOf(content);
    return {
      type: 'result',
      ...data(content),
      executionCount: Number(content['execution_count'] ?? 0),
      ...(displayId === undefined ? {} : { displayId }),
    };
  },
  error: (content) => ({
    type: 'error',
    name: text(content['ename']),
    value: text(content['evalue']),
    traceback: Array.isArray(content['traceback']) ? content['traceback'].map(String) : [],
  }),
  clear_output: (content) => ({ type: 'clear', wait: content['wait'] === true }),
};

/** Reads an iopub message; undefined for one that is no output. */
export const outputOf = (messageType: string, content: Fields): OutputMessage | undefined =>
  Object.hasOwn(READERS, messageType) ? READERS[messageType]!(content) : undefined;

/** Joins pieces of one stream, so that a flood of small writes stays one item for a slow reader. */
export const mergeOutputs = (last: OutputMessage, next: OutputMessage): OutputMessage | undefined =>
  last.type === 'stream' && next.type === 'stream' && last.name === next.name
    ? { ...last, text: last.text + next.text }
    : undefined;
