export type Timer = ReturnType<typeof setTimeout>;

/** Why a page should look at its connections again: it became visible, or the network came back. */
type WakeReason = 'visible' | 'online';

/** Everything outside the SDK that it touches; injected, so that tests can bend it. */
export interface World {
  fetch(address: string, init?: RequestInit): Promise<Response>;
  /** Undefined in Node before 22. */
  readonly WebSocket: typeof WebSocket | undefined;
  /** The tab's own storage; undefined where there is none or the page may not use it. */
  storage(): Storage | undefined;
  /** Milliseconds since 1970. */
  now(): number;
  setTimeout(callback: () => void, durationMs: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
  /** From 0 up to 1. */
  random(): number;
  /** 128 random bits as base64url. */
  randomToken(): string;
  /** False only where the machine is known to have no network. */
  isOnline(): boolean;
  /** Undefined outside a page, `null` (the word) where the page's origin is opaque. */
  pageOrigin(): string | undefined;
  onWake(listener: (reason: WakeReason) => void): () => void;
  /** Calls back with each address that the page's own security policy kept it from. */
  onBlocked(listener: (address: string) => void): () => void;
}

/** The part of a page's globals that is read here; each may be missing. */
interface PageGlobals {
  readonly document?: Document;
  readonly sessionStorage?: Storage;
  readonly navigator?: { readonly onLine?: boolean };
  readonly location?: { readonly origin?: string };
  readonly WebSocket?: typeof WebSocket;
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

const randomToken = (): string => {
  // Not randomUUID, which is absent on plain http.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
};

const onWake = (page: PageGlobals, listener: (reason: WakeReason) => void): (() => void) => {
  const onVisible = () => {
    if (page.document?.visibilityState !== 'hidden') listener('visible');
  };
  const onOnline = () => listener('online');
  page.document?.addEventListener('visibilitychange', onVisible);
  page.document?.addEventListener('resume', onVisible);
  page.addEventListener?.('online', onOnline);
  return () => {
    page.document?.removeEventListener('visibilitychange', onVisible);
    page.document?.removeEventListener('resume', onVisible);
    page.removeEventListener?.('online', onOnline);
  };
};

const onBlocked = (page: PageGlobals, listener: (address: string) => void): (() => void) => {
  const onViolation = (event: SecurityPolicyViolationEvent) => listener(event.blockedURI);
  page.document?.addEventListener('securitypolicyviolation', onViolation);
  return () => page.document?.removeEventListener('securitypolicyviolation', onViolation);
};

/** The world as it is, in a browser and in Node. */
export const globalWorld = (page: PageGlobals = globalThis as PageGlobals): World => ({
  fetch: (address, init) => globalThis.fetch(address, init),
  WebSocket: page.WebSocket,
  storage: () => {
    try {
      // In Node the getter would warn, and the storage would be no tab's.
      return page.document === undefined ? undefined : page.sessionStorage;
    } catch {
      return undefined;
    }
  },
  now: () => Date.now(),
  setTimeout: (callback, durationMs) => setTimeout(callback, durationMs),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
  randomToken,
  isOnline: () => page.navigator?.onLine !== false,
  pageOrigin: () => (page.document === undefined ? undefined : page.location?.origin),
  onWake: (listener) => onWake(page, listener),
  onBlocked: (listener) => onBlocked(page, listener),
});
