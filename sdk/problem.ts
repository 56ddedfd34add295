import { ERRORS, HEADERS, isErrorCode, type ErrorCode, type ErrorDetail } from './contract/index.ts';
import { LiveleafError } from './errors.ts';

const MAX_PROBLEM_CHARACTERS = 65_536;

/** `Retry-After` in milliseconds, as seconds or as a date; undefined when absent or senseless. */
const retryAfterMs = (headers: Headers, now: number): number | undefined => {
  const value = headers.get(HEADERS.retryAfter)?.trim();
  if (!value) return undefined;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
};

/** Whether the same request may succeed a little later. */
export const isTransient = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || status >= 500;

const codeOf = (status: number): ErrorCode => {
  const known = (Object.keys(ERRORS) as ErrorCode[]).find((code) => ERRORS[code].status === status);
  if (known) return known;
  return status >= 500 ? 'host_down' : 'not_found';
};

/** Makes an error of a refusal: from its problem JSON, else from its status. Never throws. */
export const errorOfResponse = async (response: Response, now: number): Promise<LiveleafError> => {
  const text = await response.text().catch(() => '');
  const waitMs = retryAfterMs(response.headers, now);
  let problem: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(text.slice(0, MAX_PROBLEM_CHARACTERS));
    if (typeof value === 'object' && value !== null) problem = value as Record<string, unknown>;
  } catch {
    // An HTML page of a proxy says nothing that a reader could use.
  }
  const code = isErrorCode(problem['code']) ? problem['code'] : codeOf(response.status);
  const said = [problem['detail'], problem['message'], problem['title']].find(
    (value): value is string => typeof value === 'string' && value !== '',
  );
  const where = problem['where'];
  const asked = typeof problem['retryAfterMs'] === 'number' ? problem['retryAfterMs'] : waitMs;
  return new LiveleafError(code, said ?? `The hub answered with status ${response.status}.`, {
    ...(typeof problem['retryable'] === 'boolean' ? { retryable: problem['retryable'] } : {}),
    ...(asked === undefined ? {} : { retryAfterMs: asked }),
    ...(typeof where === 'object' && where !== null ? { detail: where as ErrorDetail } : {}),
  });
};
