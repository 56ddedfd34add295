import { expect } from 'chai';
import type { MimeBundle, OutputMessage } from '../../../sdk/kernel.ts';
import { createOutputModel, type OutputModel } from '../../../widget/outputs/output-model.ts';
import { renderOutputs } from '../../../widget/outputs/render-output.ts';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAEUlEQVR4nGP8z8Dwn4GBgQEABgwBAYmyxYkAAAAASUVORK5CYII=';
const GIF = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10"/></svg>';

const frame = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => resolve()));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `probe` gives something. */
const eventually = async <Value>(probe: () => Value | null | undefined | false): Promise<Value> => {
  for (let tries = 0; tries < 400; tries++) {
    const value = probe();
    if (value) return value;
    await pause(10);
  }
  throw new Error(`Waited in vain for ${probe.toString()}`);
};

const display = (data: MimeBundle, metadata: MimeBundle = {}, displayId?: string): OutputMessage => ({
  type: 'display',
  data,
  metadata,
  ...(displayId === undefined ? {} : { displayId }),
});

describe('renderOutputs', () => {
  let host: HTMLElement;
  let root: ShadowRoot;
  let model: OutputModel;
  let dispose: () => void;

  const apply = async (...messages: OutputMessage[]): Promise<void> => {
    for (const message of messages) model.apply(message);
    await frame();
    await frame();
  };
  const find = <Found extends Element = HTMLElement>(selector: string): Found => {
    const found = root.querySelector<Found>(selector);
    if (!found) throw new Error(`There is no ${selector} in ${root.innerHTML}`);
    return found;
  };
  /** Text of what is drawn, without what is not shown. */
  const shown = (selector: string): string => find(selector).innerText.trimEnd();
  const html = (): Promise<ShadowRoot> => eventually(() => root.querySelector('.live-html > div')?.shadowRoot);

  beforeEach(() => {
    host = document.createElement('div');
    root = host.attachShadow({ mode: 'open' });
    document.body.append(host);
    model = createOutputModel();
    dispose = renderOutputs(model, root);
  });
  afterEach(() => {
    dispose();
    host.remove();
  });

  it('draws what the model holds at once, and goes away when disposed', () => {
    model.apply({ type: 'stream', name: 'stdout', text: 'late' });
    const other = document.createElement('div');
    const stop = renderOutputs(model, other);
    expect(other.textContent).to.equal('late');
    stop();
    expect(other.childElementCount).to.equal(0);
  });

  it('marks stderr by a word, not by colour alone', async () => {
    await apply({ type: 'stream', name: 'stdout', text: 'out' }, { type: 'stream', name: 'stderr', text: 'err' });
    expect(shown('.live-stdout')).to.equal('out');
    expect(shown('.live-stderr .live-label')).to.equal('stderr');
    expect(shown('.live-stderr pre')).to.equal('err');
  });

  it('draws at most once a frame and touches only what changed', async () => {
    await apply({ type: 'stream', name: 'stdout', text: 'a\n' }, display({ 'text/plain': 'kept' }));
    const kept = find('.live-display');
    let changes = 0;
    const observer = new MutationObserver((records) => (changes += records.length));
    observer.observe(kept, { subtree: true, childList: true, characterData: true, attributes: true });
    for (let line = 0; line < 500; line++) model.apply({ type: 'stream', name: 'stderr', text: `${line}\n` });
    expect(root.querySelector('.live-stderr')).to.equal(null);
    await frame();
    await frame();
    expect(find('.live-stderr pre').textContent?.split('\n')).to.have.length(501);
    expect(find('.live-display')).to.equal(kept);
    expect(changes).to.equal(0);
    observer.disconnect();
  });

  it('shows colours by classes and by the object model only', async () => {
    await apply({
      type: 'stream',
      name: 'stdout',
      text: '\x1b[1;31mred\x1b[0m \x1b[38;2;0;128;0mgreen\x1b[0m \x1b[7mback\x1b[0m',
    });
    expect(find('.live-f1').className).to.equal('live-b live-f1');
    expect(find('.live-fx').style.getPropertyValue('--live-text-colour')).to.equal('#008000');
    expect(getComputedStyle(find('.live-f1')).fontWeight).to.equal('700');
    expect(getComputedStyle(find('.live-gr')).backgroundColor).not.to.equal('rgba(0, 0, 0, 0)');
  });

  it('names an error in one line and keeps its traceback, folded when it is long', async () => {
    const traceback = ['\x1b[31mTraceback\x1b[0m', '  in f', 'ValueError: no'];
    await apply({ type: 'error', name: 'ValueError', value: 'no', traceback });
    expect(shown('.live-error-title')).to.equal('ValueError: no');
    expect(find<HTMLDetailsElement>('details').open).to.equal(true);
    expect(shown('.live-traceback pre')).to.equal('Traceback\n  in f\nValueError: no');
    model.clear();
    await apply({
      type: 'error',
      name: 'RecursionError',
      value: 'deep',
      traceback: Array.from({ length: 900 }, String),
    });
    expect(find<HTMLDetailsElement>('details').open).to.equal(false);
    model.clear();
    await apply({ type: 'error', name: 'KeyboardInterrupt', value: '', traceback: [] });
    expect(shown('.live-error')).to.equal('KeyboardInterrupt');
  });

  for (const [type, data, as] of [
    ['image/png', PIXEL, 'image/png'],
    ['image/gif', GIF, 'image/gif'],
    ['image/jpeg', PIXEL, 'image/png'],
    ['image/svg+xml', SVG, 'image/svg+xml'],
  ] as const) {
    it(`shows ${type} as an image of what its bytes are, and revokes its address`, async () => {
      await apply(display({ [type]: data, 'text/plain': '<Figure size 2x1 with 1 Axes>' }));
      const image = find<HTMLImageElement>('img');
      await eventually(() => image.complete && image.naturalWidth > 0);
      expect(image.alt).to.equal('Figure size 2x1 with 1 Axes');
      const blob = await (await fetch(image.src)).blob();
      expect(blob.type).to.equal(as);
      dispose();
      expect(
        await fetch(image.src).then(
          () => 'reached',
          () => 'revoked',
        ),
      ).to.equal('revoked');
    });
  }

  it('keeps room for an image before it is decoded, and takes its size and its description from the metadata', async () => {
    await apply(display({ 'image/png': PIXEL }, { 'image/png': { width: 200, height: 100, alt: 'A plot' } }));
    const image = find<HTMLImageElement>('img');
    expect([image.width, image.height, image.alt]).to.deep.equal([200, 100, 'A plot']);
    model.clear();
    await apply(display({ 'image/png': PIXEL }));
    expect([find<HTMLImageElement>('img').getAttribute('width'), find<HTMLImageElement>('img').alt]).to.deep.equal([
      '2',
      'Image made by this cell',
    ]);
  });

  it('says so when the data of an image are none, and shows the text', async () => {
    for (const data of ['bm90IGFuIGltYWdl', '%%%', `${PIXEL.slice(0, 40)}`]) {
      model.clear();
      await apply(display({ 'image/png': data, 'text/plain': 'the figure' }));
      const note = await eventually(() => root.querySelector<HTMLElement>('.live-figure .live-note'));
      expect(note.innerText).to.equal('This image could not be shown: its data is not image/png.');
      expect(shown('.live-figure pre')).to.equal('the figure');
    }
  });

  it('puts an updated image in the place of the old one only when it is decoded, and revokes the old', async () => {
    await apply(display({ 'image/png': PIXEL }, {}, 'plot'));
    const first = find<HTMLImageElement>('img');
    await eventually(() => first.complete);
    const figure = find('.live-figure');
    await apply({ type: 'update', displayId: 'plot', data: { 'image/gif': GIF }, metadata: {} });
    expect(figure.childElementCount).to.equal(1);
    const second = await eventually(
      () => root.querySelector<HTMLImageElement>('img') !== first && find<HTMLImageElement>('img'),
    );
    expect(second.complete).to.equal(true);
    expect(find('.live-figure')).to.equal(figure);
    expect(
      await fetch(first.src).then(
        () => 'reached',
        () => 'revoked',
      ),
    ).to.equal('revoked');
  });

  it('lets a cleared plot stand until the next one comes, in the same place', async () => {
    await apply(display({ 'image/png': PIXEL }));
    const figure = find('.live-figure');
    await apply({ type: 'clear', wait: true });
    expect(find('.live-figure')).to.equal(figure);
    await apply(display({ 'image/gif': GIF }));
    expect(find('.live-figure')).to.equal(figure);
    expect(root.querySelectorAll('.live-output')).to.have.length(1);
  });

  it('shows a table in a shadow root of its own, with its styles brought over and its ids prefixed', async () => {
    const source =
      '<style>#T_1_c0{background-color:rgb(8,48,107)}@media all{td{font-style:italic}}</style><table id="T_1" border="1" class="dataframe">' +
      '<tr style="text-align: right"><th>0</th><td id="T_1_c0" style="color:rgb(1,2,3);background-image:url(x)">7</td></tr></table>';
    await apply(display({ 'text/html': source, 'text/plain': 'table' }));
    const inner = await html();
    const cell = inner.querySelector('td');
    if (!cell) throw new Error('no cell');
    const style = getComputedStyle(cell);
    expect([cell.id, style.color, style.backgroundColor, style.fontStyle, style.backgroundImage]).to.deep.equal([
      'user-content-T_1_c0',
      'rgb(1, 2, 3)',
      'rgb(8, 48, 107)',
      'italic',
      'none',
    ]);
    expect(inner.querySelector('style')).to.equal(null);
    expect(document.getElementById('user-content-T_1')).to.equal(null);
  });

  it('folds with check boxes as array libraries do, and gives them colours for dark pages', async () => {
    host.style.colorScheme = 'dark';
    const source =
      '<style>:root{--xr-text:var(--jp-content-font-color0,black)}.body{display:none;color:var(--xr-text)}' +
      '#s1:checked ~ .body{display:block}</style><div><input id="s1" class="in" type="checkbox"><input name="q">' +
      '<label for="s1">Values</label><div class="body">1 2 3</div></div>';
    await apply(display({ 'text/html': source }));
    const inner = await html();
    const [label, body] = [inner.querySelector('label'), inner.querySelector('.body')];
    if (!label || !body) throw new Error(inner.innerHTML);
    expect(inner.querySelectorAll('input')).to.have.length(1);
    expect(getComputedStyle(body).display).to.equal('none');
    label.click();
    expect([getComputedStyle(body).display, getComputedStyle(body).color]).to.deep.equal([
      'block',
      'rgb(226, 230, 234)',
    ]);
  });

  it('keeps coloured text readable on a dark page, unless it has a ground of its own', async () => {
    host.style.colorScheme = 'dark';
    const source =
      '<b style="color:#800080">a</b><p style="background-color:#fff"><i style="color:rgb(128, 0, 128)">b</i></p>';
    await apply(display({ 'text/html': source }));
    const colour = (inner: ShadowRoot, name: string): string =>
      getComputedStyle(inner.querySelector(name) ?? host).color;
    const inner = await html();
    expect(colour(inner, 'b')).to.match(/^oklch\(0\.72 /);
    expect(colour(inner, 'i')).to.equal('rgb(128, 0, 128)');
    host.style.colorScheme = 'light';
    expect(colour(inner, 'b')).to.equal('rgb(128, 0, 128)');
  });

  it('sends links to the web only, in a new page without ties to this one', async () => {
    await apply(
      display({ 'text/html': '<a href="https://a.test/x">a</a><a href="javascript:x()">b</a><a href="/c">c</a>' }),
    );
    const links = [...(await html()).querySelectorAll('a')];
    expect(links.map((link) => link.getAttribute('href'))).to.deep.equal(['https://a.test/x', null, null]);
    expect([links[0]?.rel, links[0]?.target]).to.deep.equal(['noopener noreferrer nofollow', '_blank']);
  });

  it('lets a wide table be reached and scrolled by the keyboard, and a narrow one not be a stop', async () => {
    host.style.width = '200px';
    await apply(
      display({ 'text/html': `<table class="dataframe"><tr>${'<td>a wide cell</td>'.repeat(20)}</tr></table>` }),
    );
    await html();
    const box = await eventually(() => root.querySelector<HTMLElement>('.live-html[tabindex="0"]'));
    expect([box.getAttribute('role'), box.getAttribute('aria-label')]).to.deep.equal(['group', 'HTML output']);
    host.style.width = '9000px';
    await eventually(() => !box.hasAttribute('tabindex'));
    expect(box.hasAttribute('aria-label')).to.equal(false);
  });

  it('shows the text of what needs scripts, and says so', async () => {
    await apply(
      display({ 'text/html': '<div id=plot></div><script>draw()</script>', 'text/plain': 'Figure with 3 traces' }),
    );
    await eventually(() => root.querySelector('.live-note'));
    expect(shown('.live-note')).to.equal('This output holds scripts, which do not run here.');
    expect(shown('pre')).to.equal('Figure with 3 traces');
  });

  it('shows what is left of it where its text says nothing', async () => {
    const data = {
      'text/html': '<b>Total: 3</b><script>x</script>',
      'text/plain': '<IPython.core.display.HTML object>',
    };
    await apply(display(data));
    expect((await html()).textContent).to.equal('Total: 3');
    expect(shown('.live-note')).to.equal('This output holds scripts, which do not run here.');
    expect(root.querySelector('pre')).to.equal(null);
  });

  it('draws a later HTML over an earlier one, in whatever order they are ready', async () => {
    await apply(display({ 'text/html': '<p>one</p>' }, {}, 'h'));
    for (const text of ['two', 'three'])
      model.apply({ type: 'update', displayId: 'h', data: { 'text/html': `<p>${text}</p>` }, metadata: {} });
    await eventually(async () => (await html()).textContent === 'three');
    await pause(30);
    expect((await html()).textContent).to.equal('three');
  });

  it('prints JSON in lines, and shows Markdown and LaTeX by their text', async () => {
    await apply(display({ 'application/json': { a: [1, { b: null }] } }));
    expect(shown('pre')).to.equal(JSON.stringify({ a: [1, { b: null }] }, undefined, 2));
    model.clear();
    await apply(display({ 'text/markdown': ['# Ti', 'tle'], 'text/plain': 'x' }), display({ 'text/latex': '$x^2$' }));
    expect([...root.querySelectorAll<HTMLElement>('pre')].map((pre) => pre.innerText)).to.deep.equal([
      '# Title',
      '$x^2$',
    ]);
  });

  it('shows the text of types that it does not know, and says what came where there is none', async () => {
    await apply(
      display({ 'application/vnd.jupyter.widget-view+json': { model_id: '1' }, 'text/plain': 'IntSlider(value=3)' }),
    );
    expect(shown('pre')).to.equal('IntSlider(value=3)');
    model.clear();
    await apply(display({ 'application/javascript': 'alert(1)' }), display({}));
    expect([...root.querySelectorAll<HTMLElement>('.live-note')].map((note) => note.innerText)).to.deep.equal([
      'This output cannot be shown here: application/javascript.',
      'This output is empty.',
    ]);
  });

  it('uses the first type in order that a bundle has and that can be shown', async () => {
    await apply(display({ 'text/plain': 'p', 'image/png': PIXEL, 'text/html': 7, 'application/json': {} }));
    expect(find('img').localName).to.equal('img');
  });

  it('has a part for each thing that a page may want to style', async () => {
    await apply(
      { type: 'stream', name: 'stderr', text: 'e' },
      { type: 'error', name: 'E', value: '', traceback: ['t'] },
    );
    const parts = [...root.querySelectorAll('[part]')].map((element) => element.getAttribute('part'));
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
        await apply(
          display({ 'image/png': PIXEL }, {}, 'p'),
          display({ 'image/png': 'AAAA', 'text/plain': 'x' }),
          display({ 'text/html': `<table><tr><td>${round}</td></tr></table>` }),
          { type: 'error', name: 'E', value: '', traceback: ['t'] },
          { type: 'stream', name: 'stdout', text: 'x' },
        );
        model.apply({ type: 'update', displayId: 'p', data: { 'image/gif': GIF }, metadata: {} });
        if (round % 3 === 0) model.apply({ type: 'clear', wait: round % 2 === 0 });
      }
      await pause(100);
      dispose();
      await pause(100);
      expect([...live]).to.deep.equal([]);
      expect(observers.size).to.equal(0);
      model.apply({ type: 'stream', name: 'stdout', text: 'after' });
      await frame();
      expect(root.childElementCount).to.equal(0);
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
      model.apply({ type: 'stream', name: 'stdout', text: lines.join('') });
      await pause(0);
    }
    await frame();
    await frame();
    clearInterval(beat);
    const text = find('pre').textContent ?? '';
    expect(text.split('\n').length).to.be.lessThan(5_010);
    expect(text).to.include('99999 some text').and.to.include('earlier lines are left out.');
    expect(root.querySelectorAll('*').length).to.be.lessThan(5_200);
    expect(longest, 'longest pause in ms').to.be.lessThan(3_000);
  });

  it('follows the end of a long text, until the reader scrolls away from it', async () => {
    await apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(300) });
    const box = find('.live-stdout .live-scroll');
    const atEnd = (): boolean => box.scrollHeight - box.scrollTop - box.clientHeight < 4;
    expect(box.scrollHeight > box.clientHeight && atEnd()).to.equal(true);
    await apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(100) });
    expect(atEnd()).to.equal(true);
    box.scrollTop = 40;
    await apply({ type: 'stream', name: 'stdout', text: 'line\n'.repeat(10) });
    expect(box.scrollTop).to.equal(40);
  });
});
