import { expect } from 'chai';
import { askInput, inputEcho } from '../../../widget/outputs/input-prompt.ts';

describe('askInput', () => {
  let host: HTMLElement;
  let root: ShadowRoot;
  let outside: HTMLInputElement;

  const field = (): HTMLInputElement => {
    const found = root.querySelector('input');
    if (!found) throw new Error('There is no field.');
    return found;
  };
  const answer = (text: string): void => {
    field().value = text;
    root.querySelector('button')?.click();
  };

  beforeEach(() => {
    host = document.createElement('div');
    outside = document.createElement('input');
    root = host.attachShadow({ mode: 'open' });
    document.body.append(host, outside);
  });
  afterEach(() => {
    host.remove();
    outside.remove();
  });

  it('asks in place with the prompt as the name of the field, and goes away with the answer', async () => {
    const asked = askInput(root, { prompt: 'Your \x1b[1mname\x1b[0m?\u202e ', password: false });
    expect(field().labels?.[0]?.textContent).to.equal('Your name?\ufffd');
    expect(field().type).to.equal('text');
    answer('Ada');
    expect(await asked).to.equal('Ada');
    expect(root.childElementCount).to.equal(0);
  });

  it('hides a password, and names a question that has no words', async () => {
    const asked = askInput(root, { prompt: '', password: true });
    expect([field().type, field().labels?.[0]?.textContent, field().autocomplete]).to.deep.equal([
      'password',
      'Password',
      'off',
    ]);
    answer('');
    expect(await asked).to.equal('');
    expect(inputEcho({ prompt: 'Key: ', password: true }, 'secret')).to.deep.equal({
      type: 'stream',
      name: 'stdout',
      text: 'Key: ········\n',
    });
    expect(inputEcho({ prompt: 'Name: ', password: false }, 'Ada')).to.deep.include({ text: 'Name: Ada\n' });
  });

  it('takes the focus when the reader is nowhere or in the same cell, and not from elsewhere', async () => {
    const stop = new AbortController();
    const ask = (): void => void askInput(root, { prompt: 'p', password: false }, stop.signal).catch(() => {});
    ask();
    expect(root.activeElement).to.equal(field());
    field().form?.remove();
    outside.focus();
    ask();
    expect([document.activeElement, root.activeElement]).to.deep.equal([outside, null]);
    stop.abort();
  });

  it('ends with its signal, before or while it asks', async () => {
    const stop = new AbortController();
    const reason = new Error('interrupted');
    const asked = askInput(root, { prompt: 'p', password: false }, stop.signal);
    const ended = asked.then(
      () => 'answered',
      (error: unknown) => error,
    );
    stop.abort(reason);
    expect(await ended).to.equal(reason);
    expect(root.childElementCount).to.equal(0);
    expect(
      await askInput(root, { prompt: 'p', password: false }, stop.signal).catch((error: unknown) => error),
    ).to.equal(reason);
    expect(root.childElementCount).to.equal(0);
  });

  it('has its style under a sheet of its own, without any in the markup', () => {
    const stop = new AbortController();
    askInput(root, { prompt: 'p', password: false }, stop.signal).catch(() => {});
    expect(root.adoptedStyleSheets).to.have.length(1);
    expect(getComputedStyle(field().form ?? host).display).to.equal('flex');
    expect(root.querySelector('[style]')).to.equal(null);
    stop.abort();
  });
});
