import { expect } from 'chai';
import { terminalStyles, terminalText } from '../../../widget/outputs/terminal-text.ts';

describe('terminalText', () => {
  it('draws a log as it grows, leaving what it drew before in place', () => {
    const log = terminalText();
    const into = document.createElement('pre');
    for (let line = 0; line < 250; line++) log.writeLine(`line ${line}`);
    log.render(into);
    const [first] = into.querySelectorAll('.live-terminal-block');
    log.writeLine('\x1b[32mdone\x1b[0m');
    log.render(into);
    expect(into.querySelector('.live-terminal-block')).to.equal(first);
    expect(into.textContent).to.equal(`${Array.from({ length: 250 }, (_, line) => `line ${line}\n`).join('')}done\n`);
    expect(into.querySelector('.live-f2')?.textContent).to.equal('done');
    expect(log.text).to.equal(into.textContent);
  });

  it('joins what is cut within a sequence, and ends a progress bar in one line', () => {
    const log = terminalText();
    const into = document.createElement('pre');
    for (const part of ['\x1b[', '31', 'mred\x1b', '[0m 1%\r', 'red 100%']) log.write(part);
    log.render(into);
    expect(into.textContent).to.equal('red 100%');
  });

  it('keeps as many lines as it is told, and says how many went', () => {
    const log = terminalText({ maxLines: 10 });
    const into = document.createElement('pre');
    for (let line = 0; line < 1_234; line++) log.writeLine(String(line));
    log.render(into);
    const lines = (into.textContent ?? '').trimEnd().split('\n');
    expect(lines.length).to.be.within(6, 11);
    expect(lines.at(-1)).to.equal('1233');
    expect(lines[0]).to.equal(`${(1_233 - lines.length + 2).toLocaleString('en')} earlier lines are left out.`);
  });

  it('can be drawn in two places, and cleared', () => {
    const log = terminalText();
    const [one, other] = [document.createElement('pre'), document.createElement('pre')];
    log.write('a');
    log.render(one);
    log.write('b');
    log.render(other);
    expect([one.textContent, other.textContent]).to.deep.equal(['a', 'ab']);
    log.clear();
    log.render(one);
    expect([one.textContent, log.text]).to.deep.equal(['', '']);
  });

  it('never makes markup of text', () => {
    const log = terminalText();
    const into = document.createElement('pre');
    log.write(
      '<img src=x onerror=alert(1)>\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07 \x1b[38;2;300;-1;x"onload=;mtext',
    );
    log.render(into);
    expect(into.querySelector('img,a,[onload]')).to.equal(null);
    expect(into.textContent).to.contain('<img src=x onerror=alert(1)>link ');
  });

  it('gives its colours to text on light and dark pages, and lets a page set them', () => {
    const host = document.createElement('div');
    const root = host.attachShadow({ mode: 'open' });
    const into = document.createElement('pre');
    const log = terminalText();
    root.adoptedStyleSheets = [terminalStyles()];
    into.className = 'live-terminal';
    root.append(into);
    document.body.append(host);
    log.write('\x1b[31mred\x1b[0m \x1b[38;5;226myellow');
    log.render(into);
    const colour = (name: string): string => getComputedStyle(into.querySelector(name) ?? host).color;
    host.style.colorScheme = 'light';
    const light = [colour('.live-f1'), colour('.live-fx')];
    host.style.colorScheme = 'dark';
    const dark = [colour('.live-f1'), colour('.live-fx')];
    expect([light[0], dark[0]]).to.deep.equal(['rgb(164, 14, 38)', 'rgb(255, 154, 146)']);
    expect(light[1]).not.to.equal(dark[1]);
    host.style.setProperty('--live-ansi-1', 'rgb(1, 2, 3)');
    expect(colour('.live-f1')).to.equal('rgb(1, 2, 3)');
    host.remove();
  });
});
