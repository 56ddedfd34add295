/** Names that have been used against tools which fetch repositories. `canary` is a path that none of them may touch. */
const payloads = (canary: string): readonly string[] => [
  `--upload-pack=touch ${canary}`, `--upload-pack=touch\${IFS}${canary}`, `-utouch ${canary}`, '-u./x', '--exec=x', '-c', '-c core.sshCommand=x',
  `--config=core.fsmonitor=touch ${canary}`, '--receive-pack=x', '--output=/tmp/x', '-o', '-oProxyCommand=x', '--', '---', '--help', '-h',
  `ext::sh -c touch% ${canary}`, `ext::touch ${canary}`, 'fd::17/foo', `file://${canary}`, 'file:///etc/passwd', '/etc/passwd', '//etc/passwd',
  'ssh://-oProxyCommand=x/x', 'ssh://git@host/x', 'git@host:x', 'git://host/x', 'ftp://host/x', 'javascript:alert(1)', 'data:,x',
  'http://user:pass@host/x', 'https://user@host/x', 'https://@host/x', 'https://host@127.0.0.1/x', 'https://127.0.0.1/x', 'https://[::1]/x',
  'https://169.254.169.254/latest/meta-data', 'https://metadata.google.internal/x', 'https://localhost/x', 'https://0/x', 'https://2130706433/x',
  'https://host:22/x', 'https://host:0/x', 'https://host:99999/x', 'https://host/x?y', 'https://host/x#y', 'https://host\\@evil/x', 'https:\\\\host\\x',
  '..', '../..', '../../../../etc/passwd', '.', './', 'a/../..', '.git', '.git/hooks', '.GIT', 'a.lock', 'a..b', 'a/.b', 'a//b', '/a', 'a/', '@', '@{-1}',
  'HEAD~1', 'HEAD^{/x}', 'main:README', ':/x', ':(top)', 'a b', ' a', 'a ', '\ta', 'a\nb', 'a\r\nb', 'a\0b', '\u001b[31m', 'a\u007fb', 'a\u202eb', 'a\u2028b',
  `$(touch ${canary})`, `\`touch ${canary}\``, `;touch ${canary}`, `|touch ${canary}`, `&touch ${canary}&`, `\n touch ${canary}`, "'", '"', '\\', '*', '?', '[a]', '{a,b}', '~', '~root', '!!', '%00', '%0a', '%2e%2e', '%252e', '%', '%zz', '%ff',
  'refs/heads/../x', 'refs/heads/-x', 'refs/heads/.x', 'refs/heads/x.lock', 'refs/heads/@{x}', 'refs/../x', `${'a'.repeat(40)}..${'b'.repeat(40)}`, `${'a'.repeat(40)}^`, `${'a'.repeat(40)}\n`,
  'a'.repeat(300), 'é'.repeat(200), 'a/'.repeat(200), '\ud800', 'constructor', '__proto__', 'toString', 'prototype/x', 'hasOwnProperty', '',
]; // prettier-ignore

const SHAPES: readonly ((payload: string) => string)[] = [
  (x) => `gh/${x}/name/HEAD`,
  (x) => `gh/owner/${x}/HEAD`,
  (x) => `gh/owner/name/${x}`,
  (x) => `gl/group%2F${x}/HEAD`,
  (x) => `gl/${x}/HEAD`,
  (x) => `gl/group%2Fname/${x}`,
  (x) => `gist/${x}/abc`,
  (x) => `gist/user/${x}`,
  (x) => `gist/user/abc/${x}`,
  (x) => `git/${x}/HEAD`,
  (x) => `git/https%3A%2F%2F${x}%2Fx/HEAD`,
  (x) => `git/https%3A%2F%2Fhost%2F${x}/HEAD`,
  (x) => `git/https%3A%2F%2Fhost%2Fx/${x}`,
  (x) => `dir/${x}/./HEAD`,
  (x) => `dir/docs/${x}/HEAD`,
  (x) => `dir/docs/./${x}`,
  (x) => `${x}/owner/name/HEAD`,
  (x) => x,
];

const encode = (text: string): string => {
  try {
    return encodeURIComponent(text);
  } catch {
    return text;
  }
};

/** More than 2,000 specs that must end in an error: every payload in every place, plain and percent-encoded. */
export const hostileSpecs = (canary: string): readonly string[] => {
  // In these places the payload is what the grammar asks for, or falls away.
  const harmless = new Set(['dir/docs/./HEAD', 'dir/docs/.//HEAD', 'dir/docs/.%2F/HEAD']);
  const all = payloads(canary).flatMap((payload) =>
    SHAPES.flatMap((shape) => [shape(payload), shape(encode(payload))]),
  );
  return [...new Set(all)].filter((spec) => !harmless.has(spec));
};
