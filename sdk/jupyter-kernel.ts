import { withDeadline } from './backoff.ts';
import type { ConnectKernelOptions } from './connect-kernel.ts';
import { ConnectionProbe } from './connection-probe.ts';
import { LiveleafError } from './errors.ts';
import { JupyterComms } from './jupyter-comms.ts';
import { JupyterExecution, type JupyterMessage } from './jupyter-execution.ts';
import { findOrStartKernel, insistOnJupyter, whyKernelGone } from './jupyter-rest.ts';
import type {
  Comm,
  CompletionResult,
  ExecuteOptions,
  Execution,
  KernelConnection,
  MimeBundle,
  Server,
} from './kernel.ts';
import { JupyterRuns } from './jupyter-runs.ts';
import type { KernelSockets } from './kernel-socket.ts';
import { KernelState } from './kernel-state.ts';
import { commMessage, createServicesKernel, type QuietKernel } from './services-kernel.ts';
import { SilenceWatch } from './silence-watch.ts';
import { globalWorld, type World } from './world.ts';

const OPEN_DEADLINE_MS = 90_000;
const RESTART_DEADLINE_MS = 60_000;
const ASK_AGAIN_MS = 2_000;
const REPLY_DEADLINE_MS = 30_000;

const dead = (message: string): LiveleafError => new LiveleafError('kernel_dead', message);

/** Our kernel connection over that of @jupyterlab/services. */
class JupyterKernel implements KernelConnection {
  readonly id: string;
  readonly name: string;
  readonly #world: World;
  readonly #server: Server;
  readonly #inner: QuietKernel;
  readonly #sockets: KernelSockets;
  readonly #state: KernelState;
  readonly #runs: JupyterRuns;
  readonly #comms = new JupyterComms((type, content, buffers) => {
    this.#throwIfClosed();
    this.#inner.sendShellMessage(commMessage(this.clientId, type, content, buffers), false);
  });
  readonly #probe: ConnectionProbe;
  readonly #watch: SilenceWatch;
  readonly #stopWaking: () => void;
  readonly #held: (() => void)[] = [];
  #restartedOn = 0;
  #isOwnRestart = false;

  constructor(world: World, server: Server, kernel: { readonly id: string; readonly name: string }, clientId?: string) {
    this.id = kernel.id;
    this.name = kernel.name;
    this.#world = world;
    this.#server = server;
    this.#state = new KernelState(world);
    this.#runs = new JupyterRuns(world);
    this.#watch = new SilenceWatch(world, () => void this.#probe.test());
    const { kernel: inner, sockets } = createServicesKernel({
      world,
      server,
      kernel,
      clientId,
      restart: () => this.#ask('/restart', 'POST'),
      whyGone: () => whyKernelGone(world, server, kernel.id),
      onGone: (error) => this.#close('dead', error as LiveleafError),
      onSent: (message, connection) => this.#runs.sent(message, connection),
      onAnswered: (connection) => this.#answered(connection),
    });
    this.#inner = inner;
    this.#sockets = sockets;
    this.#probe = new ConnectionProbe(world, inner, sockets, this.#state);
    this.#inner.anyMessage.connect((_, { msg, direction }) => {
      if (direction === 'recv') this.#received(msg as unknown as JupyterMessage);
    });
    this.#inner.statusChanged.connect((_, status) => this.#onInnerStatus(status));
    this.#inner.connectionStatusChanged.connect((_, status) => {
      this.#state.setConnected(status === 'connected');
    });
    this.#stopWaking = world.onWake(() => void this.#probe.test());
  }

  get clientId() {
    return this.#inner.clientId;
  }

  get status() {
    return this.#state.status;
  }

  onStatus(...[listener]: Parameters<KernelConnection['onStatus']>): () => void {
    return this.#state.onStatus(listener);
  }

  /** Resolves once the socket is open; rejects with the reason why it will never be. */
  opened(signal?: AbortSignal): Promise<void> {
    const late = new LiveleafError('offline', 'The kernel did not answer in time; try again.');
    return this.#state.until(
      (status) => !['connecting', 'disconnected'].includes(status),
      OPEN_DEADLINE_MS,
      late,
      signal,
    );
  }

  execute(code: string, options: ExecuteOptions = {}): Execution {
    const { onInput, stopOnError = true, silent = false } = options;
    let onEnd = (): void => undefined;
    const execution = new JupyterExecution(onInput, () => onEnd());
    const send = () => {
      if (this.#state.cause) return execution.fail(this.#cancelReason());
      const future = this.#inner.requestExecute({
        code,
        silent,
        store_history: !silent,
        allow_stdin: onInput !== undefined,
        stop_on_error: stopOnError,
      });
      const id = future.msg.header.msg_id;
      onEnd = () => this.#runs.remove(id);
      this.#runs.add(id, { execution, cancel: () => future.dispose() });
      future.done.catch(() => execution.fail(this.#cancelReason()));
      this.#watch.begin(() => this.#runs.size > 0);
    };
    // A kernel that comes back loses what reaches it before it listens, or answers before it is heard.
    if (this.#state.status === 'restarting') this.#held.push(send);
    else send();
    return execution;
  }

  async complete(code: string, cursor: number): Promise<CompletionResult> {
    const { content } = await this.#reply(this.#inner.requestComplete({ code, cursor_pos: cursor }));
    if (content.status !== 'ok') return { matches: [], start: cursor, end: cursor };
    return { matches: content.matches, start: content.cursor_start, end: content.cursor_end };
  }

  async inspect(code: string, cursor: number, detail: 0 | 1 = 0): Promise<MimeBundle | undefined> {
    const request = this.#inner.requestInspect({ code, cursor_pos: cursor, detail_level: detail });
    const { content } = await this.#reply(request);
    return content.status === 'ok' && content.found ? (content.data as MimeBundle) : undefined;
  }

  openComm(target: string, data?: unknown): Comm {
    return this.#comms.open(target, data);
  }

  onComm(target: string, listener: (comm: Comm, data: unknown) => void): () => void {
    return this.#comms.onOpened(target, listener);
  }

  async interrupt(): Promise<void> {
    this.#throwIfClosed();
    await this.#ask('/interrupt', 'POST');
  }

  async restart(): Promise<void> {
    this.#throwIfClosed();
    this.#isOwnRestart = true;
    this.#state.setRestarting();
    const late = dead('The kernel did not come back from its restart; launch again.');
    const back = this.#state.until((status) => status !== 'restarting', RESTART_DEADLINE_MS, late);
    back.catch(() => undefined);
    const asking = this.#world.setTimeout(() => this.#askAgain(), ASK_AGAIN_MS);
    try {
      this.#restartedOn = this.#sockets.count;
      await Promise.race([back, this.#inner.restart()]);
      await back;
    } catch (error) {
      if (LiveleafError.isInstance(error)) throw error;
      const gone = await whyKernelGone(this.#world, this.#server, this.id);
      throw gone ?? new LiveleafError('session_crashed', `The kernel could not be restarted: ${String(error)}`);
    } finally {
      this.#isOwnRestart = false;
      this.#world.clearTimeout(asking);
    }
  }

  async shutdown(): Promise<void> {
    if (this.#state.cause) return;
    await this.#ask('', 'DELETE');
    this.#close('dead', dead('The kernel was shut down.'));
  }

  async reconnect(): Promise<void> {
    this.#throwIfClosed();
    await this.#probe.test();
    await this.opened();
  }

  dispose(): void {
    const message = 'This page let go of the kernel; what still runs there goes on unseen.';
    this.#close('disconnected', new LiveleafError('offline', message));
  }

  #received(message: JupyterMessage): void {
    this.#watch.heard();
    const parentId = message.parent_header.msg_id ?? '';
    const type = message.header.msg_type;
    if (type === 'status' && message.channel === 'iopub' && !this.#probe.asked(parentId))
      this.#state.setReported((message.content as { execution_state?: unknown }).execution_state);
    if (message.channel === 'iopub') this.#comms.accept(message);
    this.#runs.of(message)?.accept(
      message,
      (value) => this.#inner.sendInputReply({ status: 'ok', value }, message.header as never),
      () => void this.interrupt().catch(() => undefined),
    );
  }

  #answered(connection: number): void {
    this.#runs.answered(connection);
    if (connection <= this.#restartedOn) return;
    this.#state.setAnswered();
    for (const send of this.#held.splice(0)) send();
  }

  #onInnerStatus(status: string): void {
    if (status === 'dead') this.#close('dead', dead('The kernel died and could not be started again.'));
    if (status !== 'restarting' && status !== 'autorestarting') return;
    if (status === 'autorestarting') {
      this.#restartedOn = this.#sockets.count;
      this.#state.setRestarting(this.#cancelReason());
      this.#world.setTimeout(() => this.#askAgain(), ASK_AGAIN_MS);
    }
    this.#comms.endAll();
  }

  #cancelReason(): LiveleafError {
    if (LiveleafError.isInstance(this.#state.cause)) return this.#state.cause;
    if (this.#isOwnRestart) return dead('The kernel was restarted; its variables are lost.');
    return dead('The kernel died and was started again; its variables are lost.');
  }

  /** A question may go under while the kernel starts, and no one else repeats it. */
  #askAgain(): void {
    if (this.#state.status !== 'restarting') return;
    void this.#inner.requestKernelInfo();
    this.#world.setTimeout(() => this.#askAgain(), ASK_AGAIN_MS);
  }

  async #reply<T>(request: Promise<T>): Promise<T> {
    const cancelled = request.catch(() => Promise.reject(this.#cancelReason()));
    const late = new LiveleafError('offline', 'The kernel did not answer in time; it may be busy.');
    return withDeadline(this.#world, cancelled, REPLY_DEADLINE_MS, late);
  }

  async #ask(path: string, method: string): Promise<void> {
    const address = `api/kernels/${encodeURIComponent(this.id)}${path}`;
    await insistOnJupyter(this.#world, this.#server, address, { method });
  }

  #throwIfClosed(): void {
    if (this.#state.cause) throw this.#state.cause;
  }

  #close(status: 'dead' | 'disconnected', cause: LiveleafError): void {
    if (this.#state.cause) return;
    this.#state.close(status, cause);
    this.#watch.stop();
    this.#stopWaking();
    this.#runs.failAll(cause);
    for (const fail of this.#held.splice(0)) fail();
    this.#comms.endAll();
    this.#inner.dispose();
  }
}

/** As `connectKernel`, which loads this file when it is first needed. */
export const connectJupyterKernel = async (
  server: Server,
  options: ConnectKernelOptions = {},
): Promise<KernelConnection> => {
  const { clientId, kernelName = 'python3', path = 'liveleaf.ipynb', signal, world = globalWorld() } = options;
  const kernel = server.kernel ?? (await findOrStartKernel(world, server, { path, name: kernelName, signal }));
  const connection = new JupyterKernel(world, server, kernel, clientId);
  try {
    await connection.opened(signal);
  } catch (error) {
    connection.dispose();
    throw error;
  }
  return connection;
};
