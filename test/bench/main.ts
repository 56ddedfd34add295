/** `npm run bench`: ratios against peers in one run, medians of interleaved rounds. Never a test. */
import { environmentRows } from './environment-rows.ts';
import { fanOutRows } from './fan-out-rows.ts';
import { launchRows } from './launch-rows.ts';
import { memoryRows } from './memory-rows.ts';
import { proxyRows } from './proxy-rows.ts';
import { sizeRows } from './size-rows.ts';
import { formatTable, isMet, say, type Row } from './table.ts';

const GROUPS: Readonly<Record<string, (rounds: number) => Promise<Row[]>>> = {
  sizes: sizeRows,
  memory: memoryRows,
  'fan-out': fanOutRows,
  proxy: proxyRows,
  launches: launchRows,
  environments: environmentRows,
};

const HELP = `Usage: npm run bench [-- [--rounds N] [group ...]]

Measures Liveleaf against its peers in one run and prints a table. Takes about a quarter of an hour.
Groups: ${Object.keys(GROUPS).join(', ')}. Default: all, 5 rounds.
`;

const args = process.argv.slice(2);
if (args.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}
const roundsAt = args.indexOf('--rounds');
const rounds = roundsAt === -1 ? 5 : Number(args[roundsAt + 1]);
const names = args.filter((arg, index) => !arg.startsWith('--') && (roundsAt === -1 || index !== roundsAt + 1));
const unknown = names.find((name) => !Object.hasOwn(GROUPS, name));
if (unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(
    unknown === undefined ? '--rounds takes a whole number from 1 on.\n' : `There is no group ${unknown}.\n${HELP}`,
  );
  process.exit(2);
}

const rows: Row[] = [];
for (const [name, measure] of Object.entries(GROUPS)) {
  if (names.length > 0 && !names.includes(name)) continue;
  say(`Measuring ${name}.`);
  rows.push(...(await measure(rounds)));
}
process.stdout.write(`${formatTable(rows)}\n`);
const missed = rows.filter((row) => !isMet(row)).length;
process.stdout.write(missed === 0 ? 'Every target is met.\n' : `${missed} missed.\n`);
