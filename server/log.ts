import pino, { type DestinationStream, type Logger } from 'pino';

/** Longest text of one field; what a visitor sends must not fill the log. */
const MAX_FIELD = 256;

const HIDDEN = '[hidden]';

/** Whatever carries a secret on this wire, wherever it turns up in a line of the log. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/([?&]|%3F|%26)((?:build_)?token)(=|%3D)[^&\s"'\\]*/gi, `$1$2$3${HIDDEN}`],
  [/\b(Bearer|token)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/v1\.token\.liveleaf\.[A-Za-z0-9._-]+/g, HIDDEN],
  [/\bll_[A-Za-z0-9_-]+\.[0-9a-z]+\.[0-9a-z]+\.[A-Za-z0-9_-]+/g, HIDDEN],
  [/\b[A-Za-z0-9_-]{20,128}\.[0-6]\.\d+\b/g, HIDDEN],
  [
    /(\\?"(?:authorization|cookie|set-cookie|last-event-id|sec-websocket-protocol|token)\\?"\s*:\s*\\?")[^"\\]*/gi,
    `$1${HIDDEN}`,
  ],
];

/** Takes secrets out of a text; the last line of defence, for nothing is logged that is known to hold one. */
export const hideSecrets = (text: string): string =>
  SECRETS.reduce((safe, [secret, mark]) => safe.replace(secret, mark), text);

/** The path of a request target, cut, without its query: all that the log may know of an address. */
export const loggedPath = (target: string): string => {
  const path = target.split(/[?#]/, 1)[0]!;
  return path.length > MAX_FIELD ? `${path.slice(0, MAX_FIELD)}…` : path;
};

export type Log = Logger;

/** The hub's log: one JSON object a line, secrets hidden. */
export const createLog = (level: string, destination: DestinationStream): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: hideSecrets },
      serializers: {
        req: (request: { method?: string; url?: string; id?: string }) => ({
          id: request.id,
          method: request.method,
          path: loggedPath(request.url ?? ''),
        }),
        res: (response: { statusCode?: number }) => ({ status: response.statusCode }),
        err: pino.stdSerializers.errWithCause,
      },
    },
    destination,
  );
