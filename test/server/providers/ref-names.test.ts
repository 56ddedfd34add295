import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { candidateNames, nearestNames, pickCommit, refNotFoundMessage } from '../../../server/providers/ref-names.ts';

const id = (digit: string): string => digit.repeat(40);
const refs = [
  { name: 'HEAD', id: id('1') },
  { name: 'refs/heads/main', id: id('1') },
  { name: 'refs/heads/x/main', id: id('2') },
  { name: 'refs/heads/both', id: id('3') },
  { name: 'refs/tags/both', id: id('4') },
  { name: 'refs/tags/v1.0', id: id('5'), peeled: id('6') },
  { name: 'refs/heads/heads/deep', id: id('7') },
  { name: 'refs/pull/1/head', id: id('8') },
];

describe('Names of refs', () => {
  it('match exactly: main is never x/main, nor the other way round', () => {
    assert.equal(pickCommit('main', refs), id('1'));
    assert.equal(pickCommit('x/main', refs), id('2'));
    assert.equal(pickCommit('main', refs.slice(2)), undefined);
    assert.equal(pickCommit('mai', refs), undefined);
    assert.equal(pickCommit('Main', refs), undefined);
  });

  it('prefer a branch to a tag, peel annotated tags and take full names', () => {
    assert.equal(pickCommit('both', refs), id('3'));
    assert.equal(pickCommit('refs/tags/both', refs), id('4'));
    assert.equal(pickCommit('tags/both', refs), id('4'));
    assert.equal(pickCommit('v1.0', refs), id('6'));
    assert.equal(pickCommit('refs/tags/v1.0', refs), id('6'));
    assert.equal(pickCommit('heads/main', refs), id('1'));
    assert.equal(pickCommit('heads/deep', refs), id('7'));
    assert.equal(pickCommit('refs/pull/1/head', refs), id('8'));
    assert.equal(pickCommit('HEAD', refs), id('1'));
  });

  it('yield only what one of the candidates names', () => {
    const name = fc.stringMatching(/^[a-z0-9/]{1,20}$/);
    fc.assert(
      fc.property(name, fc.array(name), (ref, names) => {
        const listed = names.map((text, index) => ({ name: `refs/heads/${text}`, id: id(String(index % 10)) }));
        const found = pickCommit(ref, listed);
        const expected = listed.find((entry) => candidateNames(ref).includes(entry.name));
        assert.equal(found === undefined, expected === undefined);
      }),
    );
  });

  it('that do not exist are answered with the nearest ones', () => {
    assert.deepEqual(nearestNames('mian', refs), ['main']);
    assert.deepEqual(nearestNames('v1', refs), ['v1.0']);
    assert.deepEqual(nearestNames('MAIN', refs)[0], 'main');
    assert.match(refNotFoundMessage('https://x/y', 'mian', refs), /no branch or tag "mian"\. Did you mean "main"/);
    assert.match(refNotFoundMessage('https://x/y', 'gibberish-and-more', refs), /Did you mean "main"/);
    assert.match(refNotFoundMessage('https://x/y', 'HEAD', []), /no commit on its default branch/);
  });

  it('that look like short commits are answered with what a commit has to be', () => {
    for (const short of ['abcdef0', 'DEADBEEF', 'a'.repeat(39), `${'A'.repeat(40)}`])
      assert.match(refNotFoundMessage('https://x/y', short, refs), /give its whole id: 40 hex digits/);
  });
});
