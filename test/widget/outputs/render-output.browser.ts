import { expect } from 'chai';
import { renderOutputs } from '../../../widget/outputs/render-output.ts';
import {
  PIXEL,
  GIF,
  frame,
  pause,
  display,
  createStage,
  type OutputStage,
} from '../../helpers/browser/output-stage.ts';

describe('renderOutputs', () => {
  let stage: OutputStage;

  beforeEach(() => {
    stage = createStage();
  });
  afterEach(() => stage.leave());

  it('draws what the stage.model holds at once, and goes away when disposed', () => {
    stage.model.apply({ type: 'stream', name: 'stdout', text: 'late' });
    const other = document.createElement('div');
    const stop = renderOutputs(stage.model, other);
    expect(other.textContent).to.equal('late');
    stop();
    expect(other.childElementCount).to.equal(0);
  });

  it('marks stderr by a word, not by colour alone', async () => {
    await stage.apply({ type: 'stream', name: 'stdout', text: 'out' }, { type: 'stream', name: 'stderr', text: 'err' });
    expect(stage.shown('.live-stdout')).to.equal('out');
    expect(stage.shown('.live-stderr .live-label')).to.equal('stderr');
    expect(stage.shown('.live-stderr pre')).to.equal('err');
  });

  it('draws at most once a frame and touches only what changed', async () => {
    await stage.apply({ type: 'stream', name: 'stdout', text: 'a\n' }, display({ 'text/plain': 'kept' }));
    const kept = stage.find('.live-display');
    let changes = 0;
    const observer = new MutationObserver((records) => (changes += records.length));
    observer.observe(kept, { subtree: true, childList: true, characterData: true, attributes: true });
    for (let line = 0; line < 500; line++) stage.model.apply({ type: 'stream', name: 'stderr', text: `${line}\n` });
    expect(stage.root.querySelector('.live-stderr')).to.equal(null);
    await frame();
    await frame();
    expect(stage.find('.live-stderr pre').textContent?.split('\n')).to.have.length(501);
    expect(stage.find('.live-display')).to.equal(kept);
    expect(changes).to.equal(0);
    observer.disconnect();
  });

  it('shows colours by classes and by the object stage.model only', async () => {
    await stage.apply({
      type: 'stream',
      name: 'stdout',
      text: '\x1b[1;31mred\x1b[0m \x1b[38;2;0;128;0mgreen\x1b[0m \x1b[7mback\x1b[0m',
    });
    expect(stage.find('.live-f1').className).to.equal('live-b live-f1');
    expect(stage.find('.live-fx').style.getPropertyValue('--live-text-colour')).to.equal('#008000');
    expect(getComputedStyle(stage.find('.live-f1')).fontWeight).to.equal('700');
    expect(getComputedStyle(stage.find('.live-gr')).backgroundColor).not.to.equal('rgba(0, 0, 0, 0)');
  });

  it('names an error in one line and keeps its traceback, folded when it is long', async () => {
    const traceback = ['\x1b[31mTraceback\x1b[0m', '  in f', 'ValueError: no'];
    await stage.apply({ type: 'error', name: 'ValueError', value: 'no', traceback });
    expect(stage.shown('.live-error-title')).to.equal('ValueError: no');
    expect(stage.find<HTMLDetailsElement>('details').open).to.equal(true);
    expect(stage.shown('.live-traceback pre')).to.equal('Traceback\n  in f\nValueError: no');
    stage.model.clear();
    await stage.apply({
      type: 'error',
      name: 'RecursionError',
      value: 'deep',
      traceback: Array.from({ length: 900 }, String),
    });
    expect(stage.find<HTMLDetailsElement>('details').open).to.equal(false);
    stage.model.clear();
    await stage.apply({ type: 'error', name: 'KeyboardInterrupt', value: '', traceback: [] });
    expect(stage.shown('.live-error')).to.equal('KeyboardInterrupt');
  });

  it('prints JSON in lines, and shows Markdown and LaTeX by their text', async () => {
    await stage.apply(display({ 'application/json': { a: [1, { b: null }] } }));
    expect(stage.shown('pre')).to.equal(JSON.stringify({ a: [1, { b: null }] }, undefined, 2));
    stage.model.clear();
    await stage.apply(
      display({ 'text/markdown': ['# Ti', 'tle'], 'text/plain': 'x' }),
      display({ 'text/latex': '$x^2$', 'text/plain': '<IPython.core.display.Latex object>' }),
      display({ 'text/latex': '$\\frac{\\pi}{2}$', 'text/plain': 'pi/2' }),
    );
    expect([...stage.root.querySelectorAll<HTMLElement>('pre')].map((pre) => pre.innerText)).to.deep.equal([
      '# Title',
      '$x^2$',
      'pi/2',
    ]);
  });

  it('shows the text of types that it does not know, and says what came where there is none', async () => {
    await stage.apply(
      display({ 'application/vnd.jupyter.widget-view+json': { model_id: '1' }, 'text/plain': 'IntSlider(value=3)' }),
    );
    expect(stage.shown('pre')).to.equal('IntSlider(value=3)');
    stage.model.clear();
    await stage.apply(display({ 'application/javascript': 'alert(1)' }), display({}));
    expect([...stage.root.querySelectorAll<HTMLElement>('.live-note')].map((note) => note.innerText)).to.deep.equal([
      'This output cannot be shown here: application/javascript.',
      'This output is empty.',
    ]);
  });

  it('draws the others when one output is more than a renderer can take', async () => {
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown;
    await stage.apply(display({ 'application/json': deep, 'text/plain': 'deep' }), {
      type: 'stream',
      name: 'stdout',
      text: 'after',
    });
    expect(stage.shown('.live-display .live-note')).to.equal('This output could not be shown.');
    expect(stage.shown('.live-display pre')).to.equal('deep');
    expect(stage.shown('.live-stdout')).to.equal('after');
  });

  it('uses the first type in order that a bundle has and that can be shown', async () => {
    await stage.apply(display({ 'text/plain': 'p', 'image/png': PIXEL, 'text/html': 7, 'application/json': {} }));
    expect(stage.find('img').localName).to.equal('img');
  });

  it('has a part for each thing that a page may want to style', async () => {
    await stage.apply(
      { type: 'stream', name: 'stderr', text: 'e' },
      { type: 'error', name: 'E', value: '', traceback: ['t'] },
    );
    const parts = [...stage.root.querySelectorAll('[part]')].map((element) => element.getAttribute('part'));
    expect(parts).to.include.members([
      'outputs',
      'output stream stderr',
      'output-label',
      'output error',
      'error-title',
      'traceback',
    ]);
  });

  it('lets go of every address, observer and frame, however outputs come and go', async () => {
    const live = new Set<string>();
    const { createObjectURL, revokeObjectURL } = URL;
    const { observe, disconnect } = ResizeObserver.prototype;
    const observers = new Set<ResizeObserver>();
    URL.createObjectURL = (blob: Blob) => {
      const address = createObjectURL.call(URL, blob);
      live.add(address);
      return address;
    };
    URL.revokeObjectURL = (address) => {
      live.delete(address);
      revokeObjectURL.call(URL, address);
    };
    ResizeObserver.prototype.observe = function (target) {
      observers.add(this);
      observe.call(this, target);
    };
    ResizeObserver.prototype.disconnect = function () {
      observers.delete(this);
      disconnect.call(this);
    };
    try {
      for (let round = 0; round < 20; round++) {
        await stage.apply(
          display({ 'image/png': PIXEL }, {}, 'p'),
          display({ 'image/png': 'AAAA', 'text/plain': 'x' }),
          display({ 'text/html': `<table><tr><td>${round}</td></tr></table>` }),
          { type: 'error', name: 'E', value: '', traceback: ['t'] },
          { type: 'stream', name: 'stdout', text: 'x' },
        );
        stage.model.apply({ type: 'update', displayId: 'p', data: { 'image/gif': GIF }, metadata: {} });
        if (round % 3 === 0) stage.model.apply({ type: 'clear', wait: round % 2 === 0 });
      }
      await pause(100);
      stage.dispose();
      await pause(100);
      expect([...live]).to.deep.equal([]);
      expect(observers.size).to.equal(0);
      stage.model.apply({ type: 'stream', name: 'stdout', text: 'after' });
      await frame();
      expect(stage.root.childElementCount).to.equal(0);
    } finally {
      Object.assign(URL, { createObjectURL, revokeObjectURL });
      Object.assign(ResizeObserver.prototype, { observe, disconnect });
    }
  });

  it('stays responsive and bounded over 100,000 lines', async () => {
    let longest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    for (let batch = 0; batch < 100; batch++) {
      const lines = Array.from({ length: 1_000 }, (_, line) => `\x1b[32m${batch * 1_000 + line}\x1b[0m some text\n`);
      stage.model.apply({ type: 'stream', name: 'stdout', text: lines.join('') });
      await pause(0);
    }
    await frame();
    await frame();
    clearInterval(beat);
    const text = stage.find('pre').textContent ?? '';
    expect(text.split('\n').length).to.be.lessThan(5_010);
    expect(text).to.include('99999 some text').and.to.include('earlier lines are left out.');
    expect(stage.root.querySelectorAll('*').length).to.be.lessThan(5_200);
    expect(longest, 'longest pause in ms').to.be.lessThan(3_000);
  });

  it('follows the end of a long text, until the reader scrolls away from it', async () => {
    await stage.apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(300) });
    const box = stage.find('.live-stdout .live-scroll');
    const atEnd = (): boolean => box.scrollHeight - box.scrollTop - box.clientHeight < 4;
    expect(box.scrollHeight > box.clientHeight && atEnd()).to.equal(true);
    await stage.apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(100) });
    expect(atEnd()).to.equal(true);
    box.scrollTop = 40;
    await stage.apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(10) });
    expect(box.scrollTop).to.equal(40);
  });
});
