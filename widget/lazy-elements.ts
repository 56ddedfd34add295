import { define } from './define-tag.ts';

/** Registers `live-status`, which a quick launch never shows. */
export const defineStatus = async (): Promise<void> =>
  define('live-status', (await import('./elements/live-status.ts')).LiveStatus);

/** Registers `live-launch`, which few pages have. */
export const defineLaunch = async (): Promise<void> =>
  define('live-launch', (await import('./elements/live-launch.ts')).LiveLaunch);
