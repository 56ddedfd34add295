import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeDeep, readThebeConfig } from '../../../widget/page/thebe-config.ts';

const read = (...blocks: string[]) => {
  const problems: string[] = [];
  return { config: readThebeConfig(blocks, (problem) => problems.push(problem)), problems };
};

describe('a Thebe 0.9 configuration block', () => {
  it('is nothing where there is none', () => {
    assert.equal(read().config, undefined);
  });

  it('names hub, repository, ref, kernel and path', () => {
    const { config } = read(`{
      bootstrap: true, requestKernel: true, selector: '.code',
      binderOptions: { repo: "https://github.com/a/b.git", ref: "main", binderUrl: "https://hub.example/" },
      kernelOptions: { kernelName: 'ir', path: '/notebooks/one.ipynb' },
    }`);
    assert.deepEqual(config, {
      cells: '.code',
      kernel: 'ir',
      path: 'notebooks/one.ipynb',
      hub: 'https://hub.example',
      repo: 'gh/a/b',
      ref: 'main',
      thebe: {
        bootstrap: true,
        requestKernel: true,
        outputSelector: '[data-output]',
        mountActivate: true,
        mountStatus: true,
      },
    });
  });

  it('merges several blocks deeply, the later winning', () => {
    const { config } = read('{binderOptions: {repo: "a/b", ref: "one"}}', '{binderOptions: {ref: "two"}}');
    assert.equal(config?.repo, 'gh/a/b');
    assert.equal(config?.ref, 'two');
    assert.deepEqual(mergeDeep({ a: [1], b: { c: 1 } }, { a: [2], b: { d: 2 } }), { a: [2], b: { c: 1, d: 2 } });
  });

  it('reports a block that cannot be read and goes on with the others', () => {
    const { config, problems } = read('{repo: function () {}}', '{binderOptions: {repo: "a/b"}}');
    assert.equal(config?.repo, 'gh/a/b');
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /could not be read and was left aside: line 1/);
    assert.match(read('[1]').problems[0]!, /one object in braces/);
  });

  it('takes a bare Jupyter server where the page says so', () => {
    const { config } = read(
      '{useBinder: false, serverSettings: {baseUrl: "http://localhost:8888/jupyter", token: "abc"}}',
    );
    assert.deepEqual(config?.server, { url: 'http://localhost:8888/jupyter/', token: 'abc' });
    assert.equal(config?.hub, undefined);
    assert.equal(read('{serverSettings: {token: "t"}}').config?.server?.url, 'http://localhost:8888/');
  });

  it('lets an explicit useBinder win over what else is there', () => {
    const { config } = read('{useBinder: true, binderOptions: {repo: "a/b"}, serverSettings: {token: "t"}}');
    assert.equal(config?.server, undefined);
    assert.equal(config?.repo, 'gh/a/b');
  });

  it('knows the providers by both their names', () => {
    const repo = (binder: string) => read(`{binderOptions: ${binder}}`).config?.repo;
    assert.equal(repo('{repo: "g/s/p", repoProvider: "gitlab"}'), 'gl/g%2Fs%2Fp');
    assert.equal(repo('{repo: "https://x.example/r.git", repoProvider: "git"}'), 'git/https%3A%2F%2Fx.example%2Fr.git');
    assert.equal(repo('{repo: "u/0123", repoProvider: "gist"}'), 'gist/u/0123');
    assert.equal(repo('{repo: "a/b", repoProvider: "gh"}'), 'gh/a/b');
  });

  it('keeps Thebe’s defaults, and its default kernel for the hub to name', () => {
    const { config } = read('{kernelOptions: {name: "python"}}');
    assert.equal(config?.kernel, undefined);
    assert.equal(config?.cells, '[data-executable]');
    assert.equal(config?.thebe?.bootstrap, false);
    assert.equal(read('{requestKernel: false}').config?.thebe?.requestKernel, false);
  });
});
