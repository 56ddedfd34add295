import { LiveleafError } from './errors.ts';
import type { JupyterExecution, JupyterMessage } from './jupyter-execution.ts';
import type { World } from './world.ts';

/** The replies of a lost run may stand a little behind the answer that shows it lost. */
const LOST_GRACE_MS = 2_000;

interface Run {
  readonly execution: JupyterExecution;
  /** Makes the connection forget the request. */
  cancel(): void;
}

/** The runs of one kernel that have not ended, by the id of their request, and on which connection each went out. */
export class JupyterRuns {
  readonly #world: World;
  readonly #runs = new Map<string, Run>();
  /** Connections count from 1; a request is absent while it waits to be sent. */
  readonly #sentOn = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  get size(): number {
    return this.#runs.size;
  }

  add(id: string, run: Run): void {
    this.#runs.set(id, run);
  }

  remove(id: string): void {
    this.#runs.delete(id);
    this.#sentOn.delete(id);
  }

  /** Notes that a request left on a connection. Nothing here is ever sent a second time. */
  sent({ header }: Pick<JupyterMessage, 'header'>, connection: number): void {
    if (header.msg_type === 'execute_request') this.#sentOn.set(header.msg_id, connection);
  }

  of(message: JupyterMessage): JupyterExecution | undefined {
    return this.#runs.get(message.parent_header.msg_id ?? '')?.execution;
  }

  /**
   * Takes that the kernel answered a question on a connection: a run that left on an earlier one would have been
   * answered before, so one that was not is lost.
   */
  answered(connection: number): void {
    const lost = [...this.#runs].filter(([id]) => (this.#sentOn.get(id) ?? connection) < connection);
    if (lost.length > 0) this.#world.setTimeout(() => this.#giveUp(lost.map(([, run]) => run)), LOST_GRACE_MS);
  }

  failAll(error: LiveleafError): void {
    for (const { execution } of this.#runs.values()) execution.fail(error);
    this.#sentOn.clear();
  }

  #giveUp(runs: readonly Run[]): void {
    const message = 'The connection broke during this run and its end was not received; run it again if you need it.';
    for (const { execution, cancel } of runs) {
      execution.settle(new LiveleafError('offline', message));
      cancel();
    }
  }
}
