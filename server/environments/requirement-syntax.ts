/** What is wrong with a requirement, as the end of a sentence; undefined when it is well formed. */
export type Mistake = string | undefined;

const NAME = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*/;
const EXTRAS = /^\[\s*([A-Za-z0-9._-]+(?:\s*,\s*[A-Za-z0-9._-]+)*\s*)?\]\s*/;
const CLAUSE = /^(~=|===|==|!=|<=|>=|<|>)\s*[A-Za-z0-9_.*+!-]+$/;
const HASHES = /(?:\s+--hash[=\s][a-z0-9]+:[0-9a-f]+)+\s*$/i;

const MARKER_NAMES = new Set([
  'python_version', 'python_full_version', 'os_name', 'sys_platform', 'platform_release', 'platform_system', 'platform_version',
  'platform_machine', 'platform_python_implementation', 'implementation_name', 'implementation_version', 'extra',
]); // prettier-ignore

const MARKER_TOKEN = /\s*(?:("[^"]*"|'[^']*')|(\(|\))|(===|==|~=|!=|<=|>=|<|>|not\s+in\b|in\b)|([A-Za-z_.]+))/y;

/** Checks an environment marker by the grammar of PEP 508: comparisons joined by `and` and `or`, with parentheses. */
const markerMistake = (marker: string): Mistake => {
  const tokens: { kind: 'value' | 'open' | 'close' | 'compare' | 'join'; text: string }[] = [];
  MARKER_TOKEN.lastIndex = 0;
  while (MARKER_TOKEN.lastIndex < marker.trimEnd().length) {
    const at = MARKER_TOKEN.lastIndex;
    const match = MARKER_TOKEN.exec(marker);
    if (!match) return `its marker cannot be read from “${marker.slice(at).trim().slice(0, 40)}” on`;
    const [, text, parenthesis, compare, word] = match;
    if (text !== undefined) tokens.push({ kind: 'value', text });
    else if (parenthesis !== undefined)
      tokens.push({ kind: parenthesis === '(' ? 'open' : 'close', text: parenthesis });
    else if (compare !== undefined) tokens.push({ kind: 'compare', text: compare });
    else if (word === 'and' || word === 'or') tokens.push({ kind: 'join', text: word });
    else if (word !== undefined && MARKER_NAMES.has(word)) tokens.push({ kind: 'value', text: word });
    else return `its marker names “${word ?? ''}”, which there is not`;
  }
  let next = 0;
  const take = (kind: string): boolean => tokens[next]?.kind === kind && ++next > 0;
  const comparison = (): boolean =>
    take('open') ? expression() && take('close') : take('value') && take('compare') && take('value');
  const expression = (): boolean => {
    if (!comparison()) return false;
    while (take('join')) if (!comparison()) return false;
    return true;
  };
  return expression() && next === tokens.length
    ? undefined
    : 'its marker is not complete; one such as python_version < "3.12" is';
};

/** The name that a requirement begins with. */
export const requirementName = (text: string): string | undefined => NAME.exec(text)?.[1];

/** Checks `name[extras] clauses; marker --hash=…` or `name @ address; marker`, enough to name what is wrong. */
export const requirementMistake = (requirement: string): Mistake => {
  const text = requirement.replace(HASHES, '');
  const name = NAME.exec(text);
  if (!name) return 'it does not begin with the name of a package';
  let rest = text.slice(name[0].length);
  if (rest.startsWith('[')) {
    const extras = EXTRAS.exec(rest);
    if (!extras) return 'its extras are not closed or hold something other than names';
    rest = rest.slice(extras[0].length);
  }
  const address = rest.startsWith('@');
  const cut = address ? rest.search(/\s;/) : rest.indexOf(';');
  const [versions, marker] = cut < 0 ? [rest, undefined] : [rest.slice(0, cut), rest.slice(rest.indexOf(';', cut) + 1)];
  if (!address) {
    const bare = versions.trim().replace(/^\((.*)\)$/, '$1');
    for (const clause of bare.split(',').map((part) => part.trim())) {
      if (clause === '' && bare.trim() === '') continue;
      if (CLAUSE.test(clause)) continue;
      if (/^=[^=]/.test(clause))
        return `“${clause}” has one equals sign; a version is pinned with two, ${name[1]}=${clause}`;
      if (/^[A-Za-z0-9]/.test(clause))
        return `“${clause.slice(0, 40)}” follows the name without a comparison such as == or >=`;
      return `“${clause.slice(0, 40)}” is no version that can be compared with`;
    }
  }
  return marker === undefined ? undefined : markerMistake(marker);
};
