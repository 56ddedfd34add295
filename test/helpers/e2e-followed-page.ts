import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { parseEventId } from '../../sdk/contract/index.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A page as a new reader opens it, and what it and the hub say to each other by an EventSource. */
export interface FollowedPage {
  readonly page: Page;
  /** Data of every event that it was sent. */
  readonly events: readonly Fields[];
  /** Errors that its scripts did not catch. */
  readonly errors: readonly string[];
  /** Kernels of the session that it was given, by its own token. */
  kernels(): Promise<readonly { readonly id: string; readonly connections: number }[]>;
  /** Closes it and ends what it launched. */
  close(): Promise<void>;
}

/** Opens `address`; `cancel` ends the launch of a launch token. */
export const openFollowed = async (
  browser: Browser,
  address: string,
  cancel: (token: string) => Promise<void>,
): Promise<FollowedPage> => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const events: Fields[] = [];
  const errors: string[] = [];
  const tokens = new Set<string>();
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  network.on('Network.eventSourceMessageReceived', ({ data, eventId }) => {
    const token = parseEventId(eventId)?.launch;
    if (token !== undefined) tokens.add(token);
    if (data !== '') events.push(JSON.parse(data) as Fields);
  });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(address, { waitUntil: 'load' });
  return {
    page,
    events,
    errors,
    kernels: async () => {
      const { url, token } = events.find(({ phase }) => phase === 'ready') as { url: string; token: string };
      const response = await fetch(`${url}api/kernels`, { headers: { authorization: `token ${token}` } });
      assert.equal(response.status, 200);
      return (await response.json()) as { id: string; connections: number }[];
    },
    close: async () => {
      await context.close();
      for (const token of tokens) await cancel(token);
    },
  };
};
