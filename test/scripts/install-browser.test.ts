import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findBrowser } from '../../scripts/browser.mjs';
import { ensureBrowser, installCommands } from '../../scripts/install-browser.mjs';

const silent = (): void => {};

describe('installing a browser for the tests', () => {
  it('uses an installed one and installs nothing', async () => {
    const path = await ensureBrowser({
      run: () => assert.fail('nothing is to be run'),
      say: silent,
      world: { isRoot: true, isDebian: true, find: () => '/usr/bin/chromium', locate: async () => undefined },
    });
    assert.equal(path, '/usr/bin/chromium');
  });

  it('takes the package of the distribution when root on Debian', async () => {
    const commands: string[] = [];
    const path = await ensureBrowser({
      run: (command: string, args: string[]) => commands.push([command, ...args].join(' ')) > 0,
      say: silent,
      world: { isRoot: true, isDebian: true, find: () => undefined, locate: async () => '/usr/bin/chromium' },
    });
    assert.equal(path, '/usr/bin/chromium');
    assert.deepEqual(commands, ['apt-get update -qq', 'apt-get install -y -qq --no-install-recommends chromium']);
  });

  it("runs Playwright's installer elsewhere, tried with a command that stands in for it", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'liveleaf-browser-'));
    const browser = join(folder, 'chrome');
    const installer = join(folder, 'installer.sh');
    writeFileSync(
      installer,
      `#!/bin/sh\n[ "$2" = install ] && [ "$3" = chromium ] && printf '#!/bin/sh\\n' > '${browser}' && chmod +x '${browser}'\n`,
    );
    chmodSync(installer, 0o755);
    const path = await ensureBrowser({
      run: (_command: string, args: string[]) => {
        execFileSync(installer, args);
        return true;
      },
      say: silent,
      world: { isRoot: false, isDebian: true, find: () => undefined, locate: async () => browser },
    });
    assert.equal(path, browser);
    assert.equal(findBrowser({ CHROME_PATH: '', PATH: folder }), browser);
    rmSync(folder, { recursive: true });
  });

  it("names the package's own installer, not a script of npm's", () => {
    const [[command, args]] = installCommands({ isRoot: false, isDebian: false }) as [[string, string[]]];
    assert.equal(command, process.execPath);
    assert.match(args[0] ?? '', /playwright-core.cli\.js$/);
  });

  it('says which command failed and what to do', async () => {
    await assert.rejects(
      ensureBrowser({
        run: () => false,
        say: silent,
        world: { isRoot: true, isDebian: true, find: () => undefined, locate: async () => undefined },
      }),
      /`apt-get update -qq` failed; install Chrome or Chromium, or set CHROME_PATH/,
    );
  });
});
