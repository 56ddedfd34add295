/** The little of JSON Schema that the configuration uses. */
export interface KeySchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, KeySchema>>;
  readonly patternProperties?: Readonly<Record<string, KeySchema>>;
  readonly items?: KeySchema;
  readonly anyOf?: readonly { readonly const?: unknown }[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A setting: where it stands in the configuration, and what it takes. */
export interface ConfigKey {
  readonly path: readonly string[];
  readonly schema: KeySchema;
}

/** Whether a key is a table whose names the owner chooses, such as `dirs`. */
export const isTable = (schema: KeySchema): boolean => schema.patternProperties !== undefined;

/** Every setting of a schema, in its order. */
export const configKeys = (schema: KeySchema, path: readonly string[] = []): readonly ConfigKey[] =>
  schema.properties === undefined
    ? [{ path, schema }]
    : Object.entries(schema.properties).flatMap(([name, inner]) => configKeys(inner, [...path, name]));

const distance = (left: string, right: string): number => {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[right.length]!;
};

/** The known name that a misspelt one was most likely meant to be. */
const nearest = (name: string, known: readonly string[]): string | undefined => {
  const ranked = known
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((left, right) => left.far - right.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(2, Math.ceil(best.each.length / 3)) ? best.each : undefined;
};

/** The sentence for a name that is not known. */
export const unknownName = (what: string, name: string, known: readonly string[]): string => {
  const near = nearest(name, known);
  const hint = near === undefined ? `Known are ${known.join(', ')}.` : `Did you mean ${JSON.stringify(near)}?`;
  return `${what} ${JSON.stringify(name)} is not known. ${hint}`;
};
