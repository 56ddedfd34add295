// Lends a build this machine's ways to its package indexes.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Variables that are lent as they are, where they are set. */
const LENT = [
  'PIP_INDEX_URL',
  'PIP_EXTRA_INDEX_URL',
  'UV_DEFAULT_INDEX',
  'UV_INDEX',
  'npm_config_registry',
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
];
/** Variables that name a file of certificates; the first that is set is lent under all of these names. */
const CERTIFICATES = ['SSL_CERT_FILE', 'PIP_CERT', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'];

const firstLine = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split('\n')[0] : '';
};

const lentVariables = (env) => {
  const lent = Object.fromEntries(LENT.filter((name) => env[name]).map((name) => [name, env[name]]));
  lent.PIP_INDEX_URL ??= firstLine('python3', ['-m', 'pip', 'config', 'get', 'global.index-url']);
  lent.UV_DEFAULT_INDEX ??= lent.PIP_INDEX_URL;
  lent.npm_config_registry ??= firstLine('npm', ['config', 'get', 'registry']);
  return lent;
};

/**
 * Calls `use` with the build secrets `network` (variables, as a shell reads them) and `certificates`, as ids and paths of
 * files that are gone afterwards. Secrets, since an index's address may hold a password, and an image keeps its arguments.
 */
export const withNetworkSecrets = async (use, env = process.env) => {
  const folder = mkdtempSync(join(tmpdir(), 'liveleaf-image-'));
  // Where the caller ends the process, too.
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const [network, certificates] = ['network', 'certificates'].map((id) => ({ id, path: join(folder, id) }));
    const variables = lentVariables(env);
    const bundle = CERTIFICATES.map((name) => env[name]).find((path) => path && existsSync(path));
    if (bundle !== undefined) {
      copyFileSync(bundle, certificates.path);
      for (const name of CERTIFICATES) variables[name] = `/run/secrets/${certificates.id}`;
    }
    const lines = Object.entries(variables)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`);
    writeFileSync(network.path, lines.join(''), { mode: 0o600 });
    return await use(bundle === undefined ? [network] : [network, certificates]);
  } finally {
    process.off('exit', remove);
    remove();
  }
};
