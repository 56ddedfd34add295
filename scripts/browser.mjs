import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Flags for a headless Chromium that asks nobody on the network for anything. */
export const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

const executable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** An installed Chrome or Chromium: `CHROME_PATH`, else the first one on the PATH; undefined when there is none. */
export const findBrowser = (env = process.env) => {
  if (env.CHROME_PATH) return env.CHROME_PATH;
  const folders = (env.PATH ?? '').split(delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, MAC].find(executable);
};

/** As `findBrowser`; throws a sentence that says what to do. */
export const browserPath = () => {
  const path = findBrowser();
  if (path) return path;
  throw new Error('No Chrome or Chromium was found; run `npm test`, which installs one, or set CHROME_PATH.');
};
