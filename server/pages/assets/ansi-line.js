/* oxlint-disable no-control-regex -- control characters are what this file is about */
const SGR = /\u001b\[([\d;]*)m/g;
// Every other escape sequence moves a cursor that this log does not have.
const OTHER = /\u001b(?:\[[\d;?]*[A-Za-ln-z]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;
const INVISIBLE = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Puts a log line into an element as text, with its colours as classes; after a carriage return a line begins anew. */
export const showLine = (element, message) => {
  const last =
    message
      .replace(/[\r\n]+$/, '')
      .split('\r')
      .pop() ?? '';
  const text = last.replace(OTHER, '').replace(INVISIBLE, '');
  const classes = new Set();
  let from = 0;
  element.replaceChildren();
  const add = (piece) => {
    const plain = piece.replaceAll('\u001b', '');
    if (plain === '') return;
    const span = document.createElement('span');
    span.className = [...classes].join(' ');
    span.textContent = plain;
    element.append(span);
  };
  for (const match of text.matchAll(SGR)) {
    add(text.slice(from, match.index));
    from = match.index + match[0].length;
    for (const code of (match[1] || '0').split(';').map(Number)) apply(classes, code);
  }
  add(text.slice(from));
};

const apply = (classes, code) => {
  const colour = code >= 30 && code <= 37 ? code - 30 : code >= 90 && code <= 97 ? code - 82 : undefined;
  if (code === 1) classes.add('bold');
  if (code === 22) classes.delete('bold');
  if (code === 0) classes.clear();
  if (colour === undefined && code !== 39) return;
  for (const name of classes) if (/^c\d+$/.test(name)) classes.delete(name);
  if (colour !== undefined) classes.add(`c${colour}`);
};
