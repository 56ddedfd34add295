/** Where a Jupyter server is reached. `kind` tells whether the hub is ours: then the token may travel as a subprotocol. */
export interface Server {
  readonly kind: 'liveleaf' | 'jupyter';
  /** Ends in a slash. */
  readonly url: string;
  readonly token: string;
  /** Milliseconds since 1970; Infinity where unknown. */
  readonly expiresAt: number;
  readonly idleTimeoutMs: number;
  readonly session: string;
  /** The kernel that the hub started with the launch. */
  readonly kernel?: { readonly id: string; readonly name: string };
}

export type KernelStatus = 'connecting' | 'starting' | 'idle' | 'busy' | 'restarting' | 'disconnected' | 'dead';

/** Representations of one output by MIME type, as Jupyter sends them. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** One output of an execution, in the order in which the kernel sent it. */
export type OutputMessage =
  | { readonly type: 'stream'; readonly name: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'display'; readonly data: MimeBundle; readonly metadata: MimeBundle; readonly displayId?: string }
  | { readonly type: 'update'; readonly data: MimeBundle; readonly metadata: MimeBundle; readonly displayId: string }
  | {
      readonly type: 'result';
      readonly data: MimeBundle;
      readonly metadata: MimeBundle;
      readonly executionCount: number;
      readonly displayId?: string;
    }
  | { readonly type: 'error'; readonly name: string; readonly value: string; readonly traceback: readonly string[] }
  | { readonly type: 'clear'; readonly wait: boolean };

/** How an execution ended. `aborted`: the kernel skipped it, since an earlier one failed. */
export interface ExecutionResult {
  readonly status: 'ok' | 'error' | 'aborted';
  readonly executionCount?: number;
  readonly error?: { readonly name: string; readonly value: string };
}

export interface ExecuteOptions {
  /** Answers `input()`; without it the kernel is told that there is no one to ask. */
  readonly onInput?: (request: { readonly prompt: string; readonly password: boolean }) => Promise<string>;
  /** Whether executions queued in the kernel are dropped after an error; default true. */
  readonly stopOnError?: boolean;
  readonly silent?: boolean;
}

/** A run: iterate it once for its outputs, await `result` for its end. Leaving the loop early does not interrupt the kernel. */
export interface Execution extends AsyncIterable<OutputMessage> {
  /** Rejects with LiveleafError `kernel_dead`, `session_lost`, `expired` or `offline` when the end can no longer be learnt. */
  readonly result: Promise<ExecutionResult>;
}

/** A comm's other end, for widgets. */
export interface Comm {
  readonly id: string;
  readonly target: string;
  send(data: unknown, buffers?: readonly ArrayBuffer[]): void;
  close(data?: unknown): void;
  onMessage(listener: (data: unknown, buffers: readonly (ArrayBuffer | ArrayBufferView)[]) => void): () => void;
  onClose(listener: (data: unknown) => void): () => void;
}

export interface CompletionResult {
  readonly matches: readonly string[];
  readonly start: number;
  readonly end: number;
}

/** One kernel, whoever serves it. */
export interface KernelConnection {
  readonly id: string;
  readonly name: string;
  /** Identifies this page to the server; with the same one a reconnect receives what was sent meanwhile. */
  readonly clientId: string;
  readonly status: KernelStatus;
  /** Calls back on each change; the second argument says why a kernel is `dead`. Returns how to stop. */
  onStatus(listener: (status: KernelStatus, cause?: Error) => void): () => void;
  execute(code: string, options?: ExecuteOptions): Execution;
  complete(code: string, cursor: number): Promise<CompletionResult>;
  inspect(code: string, cursor: number, detail?: 0 | 1): Promise<MimeBundle | undefined>;
  openComm(target: string, data?: unknown): Comm;
  onComm(target: string, listener: (comm: Comm, data: unknown) => void): () => void;
  interrupt(): Promise<void>;
  /** Resolves when the new kernel answers; running executions reject with `kernel_dead`. */
  restart(): Promise<void>;
  shutdown(): Promise<void>;
  /** Tests the connection now, as after sleep. */
  reconnect(): Promise<void>;
  /** Lets go of the socket; the kernel runs on. */
  dispose(): void;
}
