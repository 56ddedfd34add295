import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findBrowser } from './browser.mjs';
import { root } from './prepare.mjs';

/** How a Chromium is installed on this kind of machine, as commands. */
export const installCommands = ({ isRoot, isDebian }) =>
  isRoot && isDebian
    ? [
        ['apt-get', ['update', '-qq']],
        ['apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium']],
      ]
    : [[process.execPath, [join(root, 'node_modules', 'playwright-core', 'cli.js'), 'install', 'chromium']]];

/** Where this kind of machine has its browser afterwards. */
const installedPath = async ({ isRoot, isDebian }) => {
  if (isRoot && isDebian) return findBrowser();
  const { chromium } = await import('playwright-core');
  return chromium.executablePath();
};

/** What `ensureBrowser` asks of the machine; tests give their own. */
const machine = () => ({
  isRoot: process.getuid?.() === 0,
  isDebian: existsSync('/etc/debian_version'),
  find: findBrowser,
  locate: installedPath,
});

/** The path of a Chrome or Chromium, installed where there is none. `run` runs a command and tells whether it succeeded. */
export const ensureBrowser = async ({ run, say, world = machine() }) => {
  const found = world.find();
  if (found) return found;
  say('Installing Chromium for the tests.');
  for (const [command, args] of installCommands(world)) {
    if (!run(command, args))
      throw new Error(
        `\`${[command, ...args].join(' ')}\` failed; install Chrome or Chromium, or set CHROME_PATH, and try again.`,
      );
  }
  const path = await world.locate(world);
  if (!path) throw new Error('Chromium was installed but is not on the PATH; set CHROME_PATH.');
  return path;
};
