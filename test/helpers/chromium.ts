import { chromium, type Browser } from 'playwright-core';
import { BROWSER_ARGUMENTS, browserPath } from '../../scripts/browser.mjs';

/** A headless Chromium of the machine's own. */
export const launchChromium = (extraArguments: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: browserPath(), args: [...BROWSER_ARGUMENTS, ...extraArguments] });
