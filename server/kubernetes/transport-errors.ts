import { errors, type Dispatcher } from 'undici';
import { KubernetesError } from './kubernetes-error.ts';

/** An answer that is a refusal, with as much of its body as is worth reading. */
export interface Refusal {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly text: string;
}

/** The API's own words for what a proxy on the way may say without a body. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

const SHOWN_CHARACTERS = 200;
const TOO_MANY_REQUESTS_MS = 1_000;

const statusBody = (text: string): { kind?: unknown; reason?: unknown; message?: unknown } => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
};

/** What a refusal says, by its Status body where it has one. */
export const statusError = (
  { status, text }: Refusal,
  { method, path }: { readonly method: string; readonly path: string },
): KubernetesError => {
  const { kind, reason, message } = statusBody(text);
  if (kind === 'Status' && typeof message === 'string')
    return new KubernetesError(status, String(reason || REASONS[status] || 'Unknown'), message);
  return new KubernetesError(
    status,
    REASONS[status] ?? 'Unknown',
    `The Kubernetes API answered ${method} ${path} with ${status}: ${text.slice(0, SHOWN_CHARACTERS).trim()}`,
  );
};

/**
 * How long to wait before asking again, where the server wants to be asked again; undefined where it does not. A change
 * that may have been made is not made again.
 */
export const retryAfterMs = ({ status, headers }: Refusal, method: string): number | undefined => {
  const header = String(headers['retry-after'] ?? '');
  const asked = /^\d{1,4}$/.test(header) ? Number(header) * 1_000 : undefined;
  if (status === 429) return asked ?? TOO_MANY_REQUESTS_MS;
  return status >= 500 && method === 'GET' ? asked : undefined;
};

const CUT: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_ABORTED']);
const isSilence = (error: Error) =>
  error instanceof errors.BodyTimeoutError || error instanceof errors.HeadersTimeoutError;

/** What became of a connection, as a KubernetesError of status 0: `Unreachable`, `Cut` or `Timeout`. */
export const transportError = (error: unknown, server: string): KubernetesError => {
  if (error instanceof KubernetesError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const code = 'code' in cause ? String(cause.code) : '';
  if (isSilence(cause))
    return new KubernetesError(0, 'Timeout', `The Kubernetes API at ${server} fell silent.`, { cause });
  if (CUT.has(code) || code.startsWith('HPE_'))
    return new KubernetesError(
      0,
      'Cut',
      `The connection to the Kubernetes API at ${server} was cut: ${cause.message}`,
      {
        cause,
      },
    );
  return new KubernetesError(
    0,
    'Unreachable',
    `The Kubernetes API at ${server} cannot be reached: ${cause.message || code}`,
    {
      cause,
    },
  );
};
