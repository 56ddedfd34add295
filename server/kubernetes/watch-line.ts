import type { V1Pod, WatchEvent } from './kubernetes-api.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { decodeObject } from './kubernetes-objects.ts';
import type { SplitLine } from './line-splitter.ts';

interface WatchLine {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: { readonly name?: string; readonly resourceVersion?: string } } & {
    readonly code?: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

const TYPES: Readonly<Record<string, 'added' | 'modified' | 'deleted'>> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

/** How much of a line that makes no sense is shown. */
const SHOWN_CHARACTERS = 100;

/** A line that cannot be read may have been an event: passing over it would lose the event, so the watch ends there. */
const garbled = (text: string) =>
  new KubernetesError(
    0,
    'Garbled',
    `A watch said what is no event: ${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}`,
  );

const parsed = ({ text, isCut }: SplitLine): WatchLine => {
  if (isCut) throw garbled(text);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below, as any other text that is no event.
  }
  throw garbled(text);
};

/** Reads one line of a watch. Throws KubernetesError: with the API's status for an ERROR event, else `Garbled`. */
export const readWatchLine = (line: SplitLine): WatchEvent<V1Pod> => {
  const { type, object } = parsed(line);
  if (type === 'ERROR')
    throw new KubernetesError(object?.code ?? 0, object?.reason ?? 'Unknown', object?.message ?? 'The watch failed.');
  const { name, resourceVersion } = object?.metadata ?? {};
  if (resourceVersion !== undefined && type === 'BOOKMARK') return { type: 'bookmark', resourceVersion };
  const change = TYPES[String(type)];
  if (change === undefined || name === undefined || resourceVersion === undefined) throw garbled(line.text);
  return { type: change, object: decodeObject(object as V1Pod) };
};
