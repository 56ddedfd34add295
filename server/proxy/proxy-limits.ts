/** Bounds of the proxy; each has a default. */
export interface ProxyLimits {
  /** Largest body of one request; default 64 MiB. */
  readonly maxUploadBytes: number;
  /** Largest head of a request or of an upstream's handshake; default 16 KiB. */
  readonly maxHeaderBytes: number;
  /** How long a client may take to send a request's head; default 10 s. */
  readonly headersTimeoutMs: number;
  /** How long a client may take to send a whole request; default 10 minutes, for uploads on slow lines. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept; default 65 s. */
  readonly keepAliveTimeoutMs: number;
  /** How long connecting to a session's server may take; default 5 s. */
  readonly connectTimeoutMs: number;
  /** How long a session's server may take until its answer begins, or its handshake ends; default 60 s. */
  readonly answerTimeoutMs: number;
  /** Longest silence within an answer, and longest time in which a client takes nothing; default 5 minutes. */
  readonly stallTimeoutMs: number;
  /** Connections to one session's server for HTTP; default 64, further requests wait. */
  readonly maxConnectionsPerSession: number;
  /** Requests to one session at once, waiting ones included; default 512. */
  readonly maxRequestsPerSession: number;
  /** WebSockets to one session at once; default 256. */
  readonly maxSocketsPerSession: number;
  /** Connections of clients at once; default 10 000. */
  readonly maxConnections: number;
}

export const PROXY_LIMITS: ProxyLimits = {
  maxUploadBytes: 64 * 1024 * 1024,
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 600_000,
  keepAliveTimeoutMs: 65_000,
  connectTimeoutMs: 5000,
  answerTimeoutMs: 60_000,
  stallTimeoutMs: 300_000,
  maxConnectionsPerSession: 64,
  maxRequestsPerSession: 512,
  maxSocketsPerSession: 256,
  maxConnections: 10_000,
};

/** What the proxy writes its log with; pino's loggers fit. Neither queries nor tokens are ever passed. */
export interface ProxyLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
