/** One row of the bench: a ratio against a peer, or an exact size. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What must be reached; undefined for rows that only inform. */
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
  /** The figures behind the value. */
  readonly behind?: string;
}

/** The middle of some figures. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

export const isMet = ({ value, target }: Row): boolean =>
  target === undefined || ('atMost' in target ? value <= target.atMost : value >= target.atLeast);

const showTarget = ({ target, unit }: Row): string =>
  target === undefined ? '' : 'atMost' in target ? `≤ ${target.atMost} ${unit}` : `≥ ${target.atLeast} ${unit}`;

const showValue = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString('en') : value.toPrecision(3);

/** The rows as a table of Markdown. */
export const formatTable = (rows: readonly Row[]): string =>
  [
    '| what | reached | must reach | | behind it |',
    '|---|---|---|---|---|',
    ...rows.map((row) => {
      const mark = row.target === undefined ? '' : isMet(row) ? 'met' : 'MISSED';
      return `| ${row.name} | ${showValue(row.value)} ${row.unit} | ${showTarget(row)} | ${mark} | ${row.behind ?? ''} |`;
    }),
  ].join('\n');

/** `0.21 s (0.19–0.25)`: a median and its range. */
export const showSpread = (values: readonly number[], unit = 's'): string =>
  `${median(values).toPrecision(3)} ${unit} (${Math.min(...values).toPrecision(3)}–${Math.max(...values).toPrecision(3)})`;

/** Says what is being measured; on stderr, so that stdout holds the table alone. */
export const say = (sentence: string): void => void process.stderr.write(`${sentence}\n`);

export const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1_000;
