import type { BinderhubLaunch } from './binderhub-launch.ts';
import { formatRepoSpec, MAX_SPEC_LENGTH, type RepoSpec } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import { HubClient } from './hub-client.ts';
import { hubKind, type HubKind } from './hub-kind.ts';
import { LaunchProgress } from './launch-progress.ts';
import type { Launch, LaunchFunction, LaunchOptions } from './launch-types.ts';
import { LiveleafLaunch } from './liveleaf-launch.ts';
import { globalWorld, type World } from './world.ts';

export type { Launch, LaunchFunction, LaunchOptions } from './launch-types.ts';

/** What an address could be led astray by; all else is for the hub to judge, which may know more providers than we. */
// oxlint-disable-next-line no-control-regex
const NO_SPEC = /[\s?#\\\u0000-\u001f\u007f]|(^|\/)\.\.(\/|$)/;

const specText = (spec: RepoSpec | string): string => {
  let text = '';
  try {
    text = typeof spec === 'string' ? spec : formatRepoSpec(spec);
  } catch {
    // Half of a surrogate pair has no encoding.
  }
  if (text.includes('/') && !text.startsWith('/') && text.length <= MAX_SPEC_LENGTH && !NO_SPEC.test(text)) return text;
  const received = JSON.stringify(String(typeof spec === 'string' ? spec : spec.repo).slice(0, 80));
  const message = `${received} names no repository; a spec looks like gh/owner/name/HEAD, each part percent-encoded.`;
  throw new LiveleafError('bad_spec', message);
};

const asError = (error: unknown): LiveleafError =>
  LiveleafError.isInstance(error)
    ? error
    : new LiveleafError('internal', `The launch failed in the page itself: ${String(error)}`, { cause: error });

/** One launch from its first request on; `kinds` remembers across launches which protocol a hub speaks. */
class LaunchUnderWay implements Launch {
  readonly #progress: LaunchProgress;
  readonly #world: World;
  readonly #kinds: Map<string, HubKind>;
  readonly #hub: string;
  #kind: HubKind = 'liveleaf';
  #driver: LiveleafLaunch | BinderhubLaunch | undefined;

  constructor(world: World, kinds: Map<string, HubKind>, spec: RepoSpec | string, options: LaunchOptions) {
    this.#world = world;
    this.#kinds = kinds;
    this.#hub = options.hub;
    this.#progress = new LaunchProgress(() => (this.#kind === 'liveleaf' ? 'liveleaf' : 'jupyter'));
    const { signal } = options;
    const onAbort = () => this.#progress.abandon(signal?.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
    void this.#run(spec, options).finally(() => signal?.removeEventListener('abort', onAbort));
  }

  get server() {
    return this.#progress.server;
  }

  [Symbol.asyncIterator]() {
    return this.#progress.events[Symbol.asyncIterator]();
  }

  onConnection(listener: (state: 'open' | 'reconnecting', attempt: number) => void): () => void {
    return this.#progress.onConnection(listener);
  }

  async cancel(): Promise<void> {
    if (this.#driver instanceof LiveleafLaunch) {
      const hub = new HubClient(this.#world, this.#hub, new AbortController().signal, () => undefined);
      await this.#driver.cancel(hub).finally(() => hub.dispose());
    }
    this.#progress.fail(new LiveleafError('cancelled', 'The launch was cancelled.'));
  }

  async #run(spec: RepoSpec | string, options: LaunchOptions): Promise<void> {
    let hub: HubClient | undefined;
    try {
      const text = specText(spec);
      const onRetry = (attempt: number) => this.#progress.setConnection('reconnecting', attempt);
      hub = new HubClient(this.#world, options.hub, this.#progress.over, onRetry);
      this.#kind = await this.#kindOf(hub, options.api ?? 'auto');
      if (this.#progress.ended) return;
      this.#driver = await this.#driverOf(hub, text, options);
      await this.#driver.run();
    } catch (error) {
      this.#progress.fail(asError(error));
    } finally {
      hub?.dispose();
    }
  }

  async #driverOf(hub: HubClient, spec: string, options: LaunchOptions): Promise<LiveleafLaunch | BinderhubLaunch> {
    if (this.#kind === 'liveleaf') return new LiveleafLaunch(hub, this.#progress, spec, options);
    const { BinderhubLaunch } = await import('./binderhub-launch.ts');
    return new BinderhubLaunch(hub, this.#progress, spec);
  }

  async #kindOf(hub: HubClient, api: NonNullable<LaunchOptions['api']>): Promise<HubKind> {
    const known = api === 'auto' ? this.#kinds.get(hub.address) : api;
    if (known) return known;
    const kind = await hubKind(hub);
    this.#kinds.set(hub.address, kind);
    return kind;
  }
}

/** Makes a `launch` that lives in the given world. */
export const createLaunch = (world: World): LaunchFunction => {
  const kinds = new Map<string, HubKind>();
  return (spec, options) => new LaunchUnderWay(world, kinds, spec, options);
};

/**
 * Asks a hub for a repository's environment and a server that runs it.
 * Never throws: a bad spec, an unreachable hub and a failed build all arrive as the one `failed` event and as the
 * rejection of `server`.
 *
 * @example
 * const running = launch('gh/binder-examples/requirements/HEAD', { hub: 'https://mybinder.org' });
 * for await (const event of running) console.log(event.phase);
 * const server = await running.server;
 */
export const launch: LaunchFunction = /* @__PURE__ */ createLaunch(/* @__PURE__ */ globalWorld());
