import { LiveleafError } from '../sdk/errors.ts';
import type { ExecuteOptions, KernelConnection, Server } from '../sdk/kernel.ts';
import type { Launch } from '../sdk/launch.ts';
import { asFailure, startProgress, type LaunchProgress, type SessionState } from './launch-progress.ts';
import type { OutputModel } from './outputs/output-model.ts';
import type { PageConfig } from './page/config.ts';
import type { PageParts } from './parts.ts';
import { memoryOf, reachKernel } from './reach-kernel.ts';
import { emptyQueue, reduceQueue, stateOf, type CellState, type RunAction, type RunQueue } from './run-queue.ts';

/** What the controller needs to know of a cell. */
export interface RunnableCell {
  /** Read when the run begins. */
  readonly source: string;
  readonly outputs: OutputModel;
  /** Runs before anything else, once per kernel. */
  readonly setup: boolean;
  readonly onInput?: ExecuteOptions['onInput'];
}

export const VARIABLES_LOST = 'Its variables are lost.';

/** A page's one session and the runs in it: launches when asked, runs cells one after another, never replays. */
export class PageController {
  readonly config: PageConfig;
  readonly #parts: PageParts;
  readonly #listeners = new Set<() => void>();
  readonly #cells = new Set<RunnableCell>();
  #order: (cells: RunnableCell[]) => RunnableCell[] = (cells) => cells;
  #session: SessionState = { kind: 'none' };
  #queue: RunQueue<RunnableCell> = emptyQueue();
  #setupDone = new WeakSet<RunnableCell>();
  #kernel: KernelConnection | undefined;
  #launch: Launch | undefined;
  #server: Server | undefined;
  #gone = new AbortController();
  /** Answers that belong to an earlier launch or kernel are recognised by it and dropped. */
  #epoch = 0;
  #restarting = false;

  constructor(config: PageConfig, parts: PageParts) {
    this.config = config;
    this.#parts = parts;
  }

  get session(): SessionState {
    return this.#session;
  }

  get kernel(): KernelConnection | undefined {
    return this.#kernel;
  }

  get busy(): boolean {
    return this.#queue.running !== undefined || this.#queue.waiting.length > 0;
  }

  now(): number {
    return this.#parts.now();
  }

  stateOf(cell: RunnableCell): CellState {
    return stateOf(this.#queue, cell);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cells run in the order of the document, which only the page knows. */
  orderBy(order: (cells: RunnableCell[]) => RunnableCell[]): void {
    this.#order = order;
  }

  /** All cells, in order. */
  get cells(): RunnableCell[] {
    return this.#order([...this.#cells]);
  }

  add(cell: RunnableCell): () => void {
    this.#cells.add(cell);
    return () => {
      this.#cells.delete(cell);
      this.#dispatch({ type: 'drop', cell });
    };
  }

  /**
   * Queues cells, after those that set up. Launches only where `mayLaunch` says that a reader asked;
   * without it, and without a kernel, nothing happens and it returns false.
   */
  run(cells: readonly RunnableCell[], mayLaunch: boolean): boolean {
    const { kind } = this.#session;
    if (kind !== 'live' && kind !== 'launching' && !mayLaunch) return false;
    const setup = this.cells.filter((cell) => cell.setup && !this.#setupDone.has(cell));
    this.#dispatch({ type: 'enqueue', cells: [...setup, ...cells] });
    if (kind === 'live') {
      this.#become({ kind: 'live' });
      void this.#pump();
    } else if (kind !== 'launching') void this.start();
    return true;
  }

  runAll(mayLaunch: boolean): boolean {
    return this.run(this.cells, mayLaunch);
  }

  /** Launches, or takes the running server, without running anything. */
  async start(): Promise<void> {
    if (this.#session.kind === 'live' || this.#session.kind === 'launching') return;
    const epoch = (this.#epoch += 1);
    this.#letGo();
    let progress = startProgress(this.now());
    const show = (change: (before: LaunchProgress) => LaunchProgress): void => {
      if (epoch !== this.#epoch) return;
      progress = change(progress);
      this.#become({ kind: 'launching', progress });
    };
    show((before) => before);
    const { signal } = this.#gone;
    try {
      const { kernel, server } = await reachKernel({
        config: this.config,
        parts: this.#parts,
        before: this.#server && { server: this.#server },
        signal,
        show,
        onLaunch: (launch) => (this.#launch = launch),
      });
      if (epoch !== this.#epoch) return kernel.dispose();
      this.#server = server;
      this.#attach(kernel, epoch);
      this.#become({ kind: 'live' });
      await this.#pump();
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#dispatch({ type: 'stop' });
      this.#become({ kind: 'failed', failure: asFailure(error), progress });
    }
  }

  #attach(kernel: KernelConnection, epoch: number): void {
    this.#kernel = kernel;
    this.#setupDone = new WeakSet();
    let dead = false;
    kernel.onStatus((status, cause) => {
      if (epoch !== this.#epoch || dead) return;
      if (status === 'dead') {
        dead = true;
        this.#die(cause);
      } else if (status === 'restarting' && !this.#restarting) {
        // Jupyter restarts a killed kernel by itself; to the reader it is a death all the same.
        this.#lose();
        this.#become({ kind: 'live', notice: `The kernel died and was started again. ${VARIABLES_LOST}` });
      }
    });
  }

  /** The kernel, or its whole server, is gone. */
  #die(cause: unknown): void {
    const failure = asFailure(cause ?? new LiveleafError('kernel_dead', 'The kernel died.'));
    const whole = failure.code === 'session_lost' || failure.code === 'expired' || failure.code === 'session_oom';
    if (whole) {
      memoryOf(this.config, this.#parts).forget();
      this.#server = undefined;
    }
    this.#epoch += 1;
    this.#letGo();
    this.#lose();
    this.#become({ kind: 'lost', failure: { ...failure, message: `${failure.message} ${VARIABLES_LOST}` } });
  }

  /** What ran ends as failed, what waited is dropped, and what was set up must be set up again. */
  #lose(): void {
    this.#setupDone = new WeakSet();
    this.#dispatch({ type: 'finish', at: this.now(), ok: false, reason: 'The kernel died.' });
    this.#dispatch({ type: 'stop' });
  }

  async #pump(): Promise<void> {
    const kernel = this.#kernel;
    const epoch = this.#epoch;
    if (!kernel || this.#restarting || this.#queue.running !== undefined) return;
    this.#dispatch({ type: 'start', at: this.now() });
    const cell = this.#queue.running as RunnableCell | undefined;
    if (!cell) return;
    const current = (): boolean => epoch === this.#epoch && this.#queue.running === cell;
    const end = await this.#execute(kernel, cell, current);
    if (!current()) return;
    if (end.ok && cell.setup) this.#setupDone.add(cell);
    this.#dispatch({ type: 'finish', at: this.now(), ...end });
    return this.#pump();
  }

  async #execute(
    kernel: KernelConnection,
    cell: RunnableCell,
    current: () => boolean,
  ): Promise<{ ok: boolean; reason?: string }> {
    // Old output stays until the first new one, so that nothing flickers.
    cell.outputs.apply({ type: 'clear', wait: true });
    let quiet = true;
    try {
      const execution = kernel.execute(cell.source, cell.onInput ? { onInput: cell.onInput } : {});
      for await (const message of execution) {
        if (!current()) break;
        quiet = false;
        // A display may have been made by another cell.
        const targets = message.type === 'update' ? this.#cells : [cell];
        for (const { outputs } of targets) outputs.apply(message);
      }
      const result = await execution.result;
      if (quiet && current()) cell.outputs.clear();
      return result.status === 'ok'
        ? { ok: true }
        : { ok: false, ...(result.error ? { reason: result.error.name } : {}) };
    } catch (error) {
      return { ok: false, reason: asFailure(error).message };
    }
  }

  /** Interrupts what runs and drops what waits; while a launch is under way, cancels it. */
  stop(): void {
    if (this.#session.kind === 'launching') return this.cancel();
    const running = this.#queue.running !== undefined;
    this.#dispatch({ type: 'stop' });
    if (running) void this.#kernel?.interrupt().catch(() => undefined);
  }

  /** Stops one cell: interrupts it when it runs, takes it out of the queue when it waits. */
  stopCell(cell: RunnableCell): void {
    if (this.#queue.running === cell || this.#session.kind === 'launching') this.stop();
    else this.#dispatch({ type: 'drop', cell });
  }

  /** A new kernel in the same server; `runAll` runs every cell in it. */
  async restart(runAll = false): Promise<void> {
    const kernel = this.#kernel;
    if (!kernel || this.#session.kind !== 'live') {
      if (runAll) this.runAll(true);
      return;
    }
    if (this.#restarting) return;
    this.#restarting = true;
    this.#setupDone = new WeakSet();
    this.#dispatch({ type: 'forget' });
    try {
      await kernel.restart();
      this.#become({ kind: 'live', ...(runAll ? {} : { notice: `The kernel was restarted. ${VARIABLES_LOST}` }) });
    } catch (error) {
      this.#die(error);
    } finally {
      this.#restarting = false;
    }
    if (runAll) this.runAll(true);
    else void this.#pump();
  }

  /** Ends the launch under way, on the hub too. */
  cancel(): void {
    if (this.#session.kind !== 'launching') return;
    this.#epoch += 1;
    void this.#launch?.cancel().catch(() => undefined);
    this.#letGo();
    this.#dispatch({ type: 'stop' });
    this.#become({ kind: 'cancelled' });
  }

  /** Leaves the server running and lets go of it. */
  dispose(): void {
    this.#epoch += 1;
    this.#letGo();
    this.#listeners.clear();
  }

  #letGo(): void {
    this.#gone.abort();
    this.#gone = new AbortController();
    this.#launch = undefined;
    this.#kernel?.dispose();
    this.#kernel = undefined;
  }

  #dispatch(action: RunAction<RunnableCell>): void {
    const next = reduceQueue(this.#queue, action);
    if (next === this.#queue) return;
    this.#queue = next;
    this.#notify();
  }

  #become(session: SessionState): void {
    this.#session = session;
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
