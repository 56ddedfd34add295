import { flagOf, variableOf } from './config-sources.ts';
import { CONFIG_KEYS } from './load-config.ts';
import type { ConfigKey } from './schema-keys.ts';

const WIDTH = 34;

const shown = (value: unknown): string => {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.length === 0 ? '' : ` [${value.join(', ')}]`;
  if (typeof value === 'object') return '';
  return ` [${String(value)}]`;
};

const line = ({ path, schema }: ConfigKey): string =>
  `  ${flagOf(path).padEnd(WIDTH)} ${schema.description ?? ''}${shown(schema.default)}`;

/** What `--help` prints. */
export const helpText =
  (): string => `Liveleaf runs the code on static pages: this command starts the hub on this machine.

  liveleaf [start]           start the hub
  liveleaf check             check the configuration and this machine, and say what would be missing
  liveleaf config print      print the configuration in force
  liveleaf config check      check the configuration

Try it with the demo:        npm start
Your own docs folder:        liveleaf --dir docs=. --origin http://localhost:8000
A repository on GitHub:      liveleaf --allow gh/owner/name

On the page:                 <script src="http://127.0.0.1:8585/liveleaf/latest/liveleaf.js"
                                     data-repo="dir/docs" defer></script>

  --config <file>              A YAML file with the settings below, nested as their names are.
  --demo <folder>              Serve the demo pages of this folder, and allow their environments.
${CONFIG_KEYS.map(line).join('\n')}

Every setting can also stand in the file, or in the environment: ${variableOf(['quota', 'perRepo'])}=5 is
quota.perRepo in the file and --quota.per-repo here. Flags win over the environment, which wins over the file.
`;
