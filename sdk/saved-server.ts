import { askJupyter, goneOf } from './jupyter-rest.ts';
import type { Server } from './kernel.ts';
import type { World } from './world.ts';

/** A server that runs, and who this page is to it. */
export interface SavedServer {
  readonly server: Server;
  /** The kernel connection's; with the same one a reload receives what was sent meanwhile. */
  readonly clientId?: string;
}

/** Which pages share a server: those of one hub, one spec and one part of a site. */
export interface SavedServerScope {
  readonly hub: string;
  /** As `formatRepoSpec` writes it. */
  readonly spec: string;
  /** The part of the site, as several projects may share an origin; default `/`. */
  readonly pathPrefix?: string;
}

/** A server this close to its end is not offered any more. */
const MARGIN_MS = 30_000;

const key = ({ hub, spec, pathPrefix = '/' }: SavedServerScope): string =>
  `liveleaf:server:${[hub.replace(/\/+$/, ''), spec, pathPrefix].map(encodeURIComponent).join('|')}`;

// JSON has no infinity; what is not a number there never ends.
const time = (value: unknown): number => (typeof value === 'number' ? value : Number.POSITIVE_INFINITY);

const parse = (text: string): SavedServer | undefined => {
  try {
    const { server, clientId } = JSON.parse(text) as { server?: Partial<Server>; clientId?: unknown };
    const { kind, url, token, session, kernel } = server ?? {};
    const known = kind === 'liveleaf' || kind === 'jupyter';
    if (!known || typeof url !== 'string' || !/^https?:/.test(url) || typeof token !== 'string') return undefined;
    const expiresAt = time(server?.expiresAt);
    const idleTimeoutMs = time(server?.idleTimeoutMs);
    const rest = { session: String(session ?? ''), ...(typeof kernel?.id === 'string' ? { kernel } : {}) };
    return {
      server: { kind, url, token, expiresAt, idleTimeoutMs, ...rest },
      ...(typeof clientId === 'string' ? { clientId } : {}),
    };
  } catch {
    return undefined;
  }
};

/**
 * Remembers a page's running server in the tab's own storage, so that a reload and the site's next page use it again.
 * Storage that is missing, full or forbidden is as if it were empty. Where `onLeave` tells that the page is left (`pagehide`),
 * the client id is written only then, and taken out by the next page: a tab that is duplicated copies the storage, and two
 * pages of one client would take the connection from each other without end.
 */
export class SavedServers {
  readonly #world: World;
  readonly #key: string;
  readonly #onLeave: ((listener: () => void) => void) | undefined;
  #current: SavedServer | undefined;

  constructor(world: World, scope: SavedServerScope, onLeave?: (listener: () => void) => void) {
    this.#world = world;
    this.#key = key(scope);
    this.#onLeave = onLeave;
    onLeave?.(() => {
      if (this.#current) this.#write(this.#current);
    });
  }

  save(saved: SavedServer): void {
    this.#current = saved;
    this.#write(this.#onLeave ? { server: saved.server } : saved);
  }

  clear(): void {
    this.#current = undefined;
    this.#try((storage) => storage.removeItem(this.#key));
  }

  #write(saved: SavedServer): void {
    this.#try((storage) => storage.setItem(this.#key, JSON.stringify(saved)));
  }

  /** The server if it still runs; one that has expired or is gone is forgotten, one that does not answer is kept. */
  async load(): Promise<SavedServer | undefined> {
    const text = this.#try((storage) => storage.getItem(this.#key));
    if (!text) return undefined;
    const saved = parse(text);
    if (!saved || saved.server.expiresAt - MARGIN_MS <= this.#world.now()) {
      this.clear();
      return undefined;
    }
    if (this.#onLeave) this.#write({ server: saved.server });
    const response = await askJupyter(this.#world, saved.server, 'api/status').catch(() => undefined);
    if (response?.ok) return saved;
    if (response && (await goneOf(this.#world, saved.server, response))) this.clear();
    return undefined;
  }

  #try<T>(use: (storage: Storage) => T): T | undefined {
    try {
      const storage = this.#world.storage();
      return storage === undefined ? undefined : use(storage);
    } catch {
      return undefined;
    }
  }
}
