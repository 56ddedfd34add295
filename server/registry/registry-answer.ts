import { HubError } from '../errors.ts';

/** A registry's whole answer, bounded. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** Where it came from in the end. */
  readonly url: URL;
}

export const headerOf = (answer: RegistryAnswer, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** An answer's JSON; undefined where it is none. */
export const jsonOf = (answer: RegistryAnswer): unknown => {
  try {
    return JSON.parse(answer.body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
};

interface ApiError {
  readonly code: string;
  readonly message: string;
}

/** The errors that the answer names, in the form of the distribution API. */
const apiErrors = (answer: RegistryAnswer): ApiError[] => {
  const json = jsonOf(answer);
  const errors = typeof json === 'object' && json !== null && 'errors' in json ? json.errors : undefined;
  return (Array.isArray(errors) ? (errors as unknown[]) : []).flatMap((error) => {
    const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
    return typeof code === 'string' ? [{ code, message: typeof message === 'string' ? message : '' }] : [];
  });
};

/**
 * Whether the registry says that it does not have what was asked for. A proxy's or a web server's own 404 does not count:
 * taken for an answer it would have every environment built anew.
 */
export const isAbsent = (answer: RegistryAnswer): boolean =>
  answer.status === 404 &&
  (apiErrors(answer).length > 0 || headerOf(answer, 'docker-distribution-api-version') !== undefined);

/** Whether it has no room: its disk, its quota, or a limit on sizes in front of it. */
const isFull = (answer: RegistryAnswer): boolean =>
  answer.status === 507 ||
  answer.status === 413 ||
  (answer.status >= 400 && /no space left|"Err":\s*(?:28|122)\b|quota exceeded/i.test(answer.body.toString('latin1')));

/** Whether the same request may well succeed a little later. */
export const isTransient = (answer: RegistryAnswer): boolean =>
  [408, 425, 429, 500, 502, 503, 504].includes(answer.status) && !isFull(answer);

/** Milliseconds that the answer asks to wait; undefined where it does not say. */
export const retryAfterOf = (answer: RegistryAnswer, nowMs: number): number | undefined => {
  const value = headerOf(answer, 'retry-after')?.trim();
  if (value === undefined || value === '') return undefined;
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : undefined;
};

const said = (answer: RegistryAnswer): string => {
  const first = apiErrors(answer)[0];
  return first === undefined ? '' : ` (${[first.code, first.message].filter(Boolean).join(': ').slice(0, 200)})`;
};

/**
 * An answer that is no success, as the error that a person reads; `doing` completes “while …”. A refused login is a matter
 * of settings on either side, so it names the setting.
 */
export const answerError = (answer: RegistryAnswer, doing: string, isWrite: boolean, nowMs: number): HubError => {
  const { host } = answer.url;
  const retryAfterMs = retryAfterOf(answer, nowMs);
  const later = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (isWrite && isFull(answer))
    return new HubError(
      'push_failed',
      `The image registry ${host} has no room left (${answer.status}) while ${doing}. Its owner has to make room, for example with \`liveleaf gc\`.`,
    );
  if (answer.status === 401 || answer.status === 403)
    return new HubError(
      isWrite ? 'push_failed' : 'registry_down',
      `The image registry ${host} refuses the hub's login (${answer.status}${said(answer)}) while ${doing}. Check registry.credentialsFile and what its account may do.`,
    );
  if (isWrite && answer.status < 500 && answer.status !== 429)
    return new HubError(
      'push_failed',
      `The image registry ${host} refused (${answer.status}${said(answer)}) while ${doing}. Check that registry.url is a registry that takes OCI images.`,
    );
  return new HubError(
    'registry_down',
    `The image registry ${host} answered ${answer.status}${said(answer)} while ${doing}. Try again later; if it lasts, check registry.url.`,
    later,
  );
};
