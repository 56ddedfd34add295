import { expect } from 'chai';
import { pause, eventually, display, createStage, type OutputStage } from '../../helpers/browser/output-stage.ts';

describe('HTML outputs', () => {
  let stage: OutputStage;

  beforeEach(() => {
    stage = createStage();
  });
  afterEach(() => stage.leave());

  it('shows a table in a shadow stage.root of its own, with its styles brought over and its ids prefixed', async () => {
    const source =
      '<style>#T_1_c0{background-color:rgb(8,48,107)}@media all{td{font-style:italic}}</style><table id="T_1" border="1" class="dataframe">' +
      '<tr style="text-align: right"><th>0</th><td id="T_1_c0" style="color:rgb(1,2,3);background-image:url(x)">7</td></tr></table>';
    await stage.apply(display({ 'text/html': source, 'text/plain': 'table' }));
    const inner = await stage.html();
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
    stage.host.style.colorScheme = 'dark';
    const source =
      '<style>:root{--xr-text:var(--jp-content-font-color0,black)}.body{display:none;color:var(--xr-text)}' +
      '#s1:checked ~ .body{display:block}</style><div><input id="s1" class="in" type="checkbox"><input name="q">' +
      '<label for="s1">Values</label><div class="body">1 2 3</div></div>';
    await stage.apply(display({ 'text/html': source }));
    const inner = await stage.html();
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
    stage.host.style.colorScheme = 'dark';
    const source =
      '<b style="color:#800080">a</b><p style="background-color:#fff"><i style="color:rgb(128, 0, 128)">b</i></p>';
    await stage.apply(display({ 'text/html': source }));
    const colour = (inner: ShadowRoot, name: string): string =>
      getComputedStyle(inner.querySelector(name) ?? stage.host).color;
    const inner = await stage.html();
    expect(colour(inner, 'b')).to.match(/^oklch\(0\.72 /);
    expect(colour(inner, 'i')).to.equal('rgb(128, 0, 128)');
    stage.host.style.colorScheme = 'light';
    expect(colour(inner, 'b')).to.equal('rgb(128, 0, 128)');
  });

  it('sends links to the web only, in a new page without ties to this one', async () => {
    await stage.apply(
      display({ 'text/html': '<a href="https://a.test/x">a</a><a href="javascript:x()">b</a><a href="/c">c</a>' }),
    );
    const links = [...(await stage.html()).querySelectorAll('a')];
    expect(links.map((link) => link.getAttribute('href'))).to.deep.equal(['https://a.test/x', null, null]);
    expect([links[0]?.rel, links[0]?.target]).to.deep.equal(['noopener noreferrer nofollow', '_blank']);
  });

  it('lets a wide table be reached and scrolled by the keyboard, and a narrow one not be a stop', async () => {
    stage.host.style.width = '200px';
    await stage.apply(
      display({ 'text/html': `<table class="dataframe"><tr>${'<td>a wide cell</td>'.repeat(20)}</tr></table>` }),
    );
    await stage.html();
    const box = await eventually(() => stage.root.querySelector<HTMLElement>('.live-html[tabindex="0"]'));
    expect([box.getAttribute('role'), box.getAttribute('aria-label')]).to.deep.equal(['group', 'HTML output']);
    stage.host.style.width = '9000px';
    await eventually(() => !box.hasAttribute('tabindex'));
    expect(box.hasAttribute('aria-label')).to.equal(false);
  });

  it('shows the text of what needs scripts, and says so', async () => {
    await stage.apply(
      display({ 'text/html': '<div id=plot></div><script>draw()</script>', 'text/plain': 'Figure with 3 traces' }),
    );
    await eventually(() => stage.root.querySelector('.live-note'));
    expect(stage.shown('.live-note')).to.equal('This output holds scripts, which do not run here.');
    expect(stage.shown('pre')).to.equal('Figure with 3 traces');
  });

  it('shows what is left of it where its text says nothing', async () => {
    const data = {
      'text/html': '<b>Total: 3</b><script>x</script>',
      'text/plain': '<IPython.core.display.HTML object>',
    };
    await stage.apply(display(data));
    expect((await stage.html()).textContent).to.equal('Total: 3');
    expect(stage.shown('.live-note')).to.equal('This output holds scripts, which do not run here.');
    expect(stage.root.querySelector('pre')).to.equal(null);
  });

  it('draws a later HTML over an earlier one, in whatever order they are ready', async () => {
    await stage.apply(display({ 'text/html': '<p>one</p>' }, {}, 'h'));
    for (const text of ['two', 'three'])
      stage.model.apply({ type: 'update', displayId: 'h', data: { 'text/html': `<p>${text}</p>` }, metadata: {} });
    await eventually(async () => (await stage.html()).textContent === 'three');
    await pause(30);
    expect((await stage.html()).textContent).to.equal('three');
  });
});
