import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressesOf, choosePort } from '../../../server/config/addresses.ts';
import { ConfigError } from '../../../server/config/config-error.ts';
import { flagOf, settingsFromFlags, variableOf } from '../../../server/config/config-sources.ts';
import { helpText } from '../../../server/config/help.ts';
import { introduction } from '../../../server/config/introduction.ts';
import { checkConfig, CONFIG_KEYS, loadConfig } from '../../../server/config/load-config.ts';

const load = async (sources: { yaml?: string; env?: Record<string, string>; args?: string[] }) =>
  loadConfig({
    env: sources.env ?? {},
    flags: settingsFromFlags(sources.args ?? [], CONFIG_KEYS).settings,
    ...(sources.yaml === undefined ? {} : { file: 'liveleaf.yaml' }),
    readFile: async () => sources.yaml!,
    cwd: '/home/ada',
  });

describe('the configuration', () => {
  it('has a default for everything that is not optional', async () => {
    const config = await load({});
    assert.equal(config.port, 8585);
    assert.equal(config.host, '127.0.0.1');
    assert.deepEqual(config.allow, []);
    assert.deepEqual(config.network.private, []);
    assert.equal(config.stateDir, '/home/ada/.liveleaf');
    assert.equal(config.publicUrl, undefined);
    assert.equal(config.quota.total, 20);
  });

  it('lets flags win over the environment, and that over the file', async () => {
    const yaml = 'port: 1111\nquota:\n  total: 1\n  perRepo: 1\nallow: [gh/a/a]\ndirs:\n  docs: ./docs\n';
    const env = { LIVELEAF_QUOTA__PER_REPO: '2', LIVELEAF_PORT: '2222', LIVELEAF_DIRS__BOOK: '/book' };
    const config = await load({ yaml, env, args: ['--port', '3333', '--allow', 'gh/b/b', '--allow=gh/c/*'] });
    assert.equal(config.port, 3333);
    assert.equal(config.quota.total, 1);
    assert.equal(config.quota.perRepo, 2);
    assert.deepEqual(config.allow, ['gh/b/b', 'gh/c/*']);
    assert.deepEqual(config.dirs, { docs: '/home/ada/docs', book: '/book' });
  });

  it('can set every key from a variable and from a flag', () => {
    for (const key of CONFIG_KEYS) {
      assert.match(variableOf(key.path), /^LIVELEAF_[A-Z_]+$/);
      assert.match(flagOf(key.path), /^--[a-z.-]+$/);
      const text = key.schema.type === 'boolean' ? 'true' : key.schema.patternProperties ? 'a=b' : '1';
      const { settings } = settingsFromFlags([flagOf(key.path), text], CONFIG_KEYS);
      assert.notDeepEqual(settings, {}, flagOf(key.path));
    }
  });

  it('names what is wrong, where, and what was probably meant', async () => {
    for (const [sources, message] of [
      [{ yaml: 'prot: 1' }, /^The setting "prot" is not known\. Did you mean "port"\?$/],
      [{ yaml: 'quota:\n  totl: 1' }, /^In "quota" the setting "totl" is not known\. Did you mean "total"\?$/],
      [
        { yaml: 'providers:\n  gh:\n    hots: x' },
        /^In "providers\.gh" the setting "hots" is not known\. Did you mean "host"\?$/,
      ],
      [
        { env: { LIVELEAF_QOUTA__TOTAL: '1' } },
        /"LIVELEAF_QOUTA__TOTAL" is not known\. Did you mean "LIVELEAF_QUOTA__TOTAL"\?/,
      ],
      [{ args: ['--alow', 'x'] }, /^The option "--alow" is not known\. Did you mean "--allow"\?$/],
      [{ args: ['--port'] }, /^The option --port needs a value/],
      [{ args: ['--port', 'many'] }, /^"port" is "many", which must be integer/],
      [{ args: ['--port', '99999'] }, /^"port" is 99999, which must be <= 65534/],
      [{ yaml: 'log:\n  level: loud' }, /^"log\.level" is "loud"/],
      [{ yaml: 'allow: gh/a/b' }, /^"allow" is "gh\/a\/b", which must be array/],
      [{ yaml: 'a: [' }, /^liveleaf\.yaml:1: /],
      [{ yaml: '- a' }, /^liveleaf\.yaml holds no settings/],
      [{ args: ['--host', '0.0.0.0'] }, /^"host" is "0\.0\.0\.0", which others can reach.*--allow-remote/],
      [{ args: ['--host', 'example.org'] }, /^"host" is "example\.org"/],
      [
        { args: ['--public-url', 'hub.example.org'] },
        /^"publicUrl" is "hub\.example\.org"; give an address without a path/,
      ],
      [
        { args: ['--public-url', 'https://x.org/', '--session-url', 'https://x.org/'] },
        /^"sessionUrl" has the origin of "publicUrl"/,
      ],
    ] as const)
      await assert.rejects(load(sources as never), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      });
  });

  it('names every problem at once', () => {
    assert.throws(
      () => checkConfig({ port: 'x', log: { level: 'loud' } }),
      (error) => error instanceof ConfigError && error.problems.length === 2,
    );
  });

  it('takes a host that others reach only when told so', async () => {
    assert.equal((await load({ args: ['--host', '0.0.0.0', '--allow-remote'] })).host, '0.0.0.0');
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1'])
      assert.equal((await load({ args: ['--host', host] })).host, host);
  });

  it('leaves variables of tests and scripts alone', async () => {
    await load({ env: { LIVELEAF_BROWSER_TESTS: 'x', LIVELEAF_CONFIG: 'liveleaf.yaml', PATH: '/bin' }, yaml: '' });
  });

  it('says in help what every option is', () => {
    const help = helpText();
    for (const { path } of CONFIG_KEYS) assert.ok(help.includes(flagOf(path)), flagOf(path));
  });
});

describe('the addresses', () => {
  it('are of this machine, sessions on the next port with hosts of their own', async () => {
    const addresses = addressesOf(await load({}), 8585);
    assert.equal(addresses.hub, 'http://127.0.0.1:8585/');
    assert.equal(addresses.sessions, 'http://127.0.0.1:8586/');
    assert.equal(addresses.sessionHostSuffix, 'localhost:8586');
    assert.deepEqual(addresses.hosts, ['127.0.0.1:8585', 'localhost:8585', '[::1]:8585']);
    assert.ok(addresses.sessionHosts.includes('*.localhost:8586'));
  });

  it('are public where the configuration names them', async () => {
    const args = ['--public-url', 'https://hub.example.org', '--session-url', 'https://run.example.org'];
    const addresses = addressesOf(await load({ args }), 8585);
    assert.equal(addresses.hub, 'https://hub.example.org/');
    assert.ok(addresses.hosts.includes('hub.example.org'));
    assert.ok(addresses.ownOrigins.includes('https://hub.example.org'));
    assert.equal(addresses.sessionHostSuffix, undefined);
    assert.equal(addresses.sessionScheme, 'https');
  });

  it('are two free neighbours where any will do', async () => {
    const port = await choosePort({ port: 0, host: '127.0.0.1' });
    assert.ok(port > 0 && port < 65_535);
  });

  it('are introduced in plain words', async () => {
    const nothing = introduction(await load({}), { sessions: 'http://127.0.0.1:8586/' }, ['Not isolated.']);
    assert.match(nothing[0]!, /^Nothing may run yet/);
    assert.ok(nothing.includes('Not isolated.'));
    const some = introduction(
      await load({ args: ['--allow', 'gh/a/b', '--dir', 'docs=/docs', '--network.private', '10.0.0.0/8'] }),
      { sessions: 'http://127.0.0.1:8586/' },
      [],
    );
    assert.equal(some[0], 'May run: dir/docs (/docs), gh/a/b.');
    assert.ok(some.some((sentence) => sentence.includes('10.0.0.0/8')));
  });
});
