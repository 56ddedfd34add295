import { define } from './define-tag.ts';

type Extras = typeof import('./elements/extra-elements.ts');

/** Registers `live-status` and `live-launch`, which a quick run does not show, and brings the words for a launch. */
export const defineExtras = async (): Promise<Extras> => {
  const extras = await import('./elements/extra-elements.ts');
  define('live-status', extras.LiveStatus);
  define('live-launch', extras.LiveLaunch);
  return extras;
};
