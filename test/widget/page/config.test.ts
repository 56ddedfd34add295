import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRepoSpec } from '../../../sdk/contract/index.ts';
import { configFromAttributes, hubOfScript, mergeConfig, specOf } from '../../../widget/page/config.ts';

const attributes = (values: Record<string, string>) => (name: string) => values[name];

describe('the configuration of a page', () => {
  it('reads data attributes of a script tag and bare ones of an element', () => {
    const expected = {
      hub: 'https://hub.example',
      repo: 'gh/a/b',
      ref: 'v1',
      kernel: 'ir',
      cells: 'pre.py',
      theme: 'dark',
    };
    const data = Object.fromEntries(Object.entries(expected).map(([key, value]) => [`data-${key}`, value]));
    assert.deepEqual(configFromAttributes(attributes(data), 'data-'), expected);
    assert.deepEqual(configFromAttributes(attributes(expected)), expected);
  });

  it('leaves aside what is empty, and a theme that is none', () => {
    assert.deepEqual(configFromAttributes(attributes({ hub: ' ', repo: '', theme: 'blue' })), {});
  });

  it('lets later sources win, but not with nothing', () => {
    assert.deepEqual(mergeConfig({ hub: 'a', repo: 'r' }, { hub: 'b', repo: undefined }), { hub: 'b', repo: 'r' });
  });

  it('knows the hub that serves the script itself', () => {
    assert.equal(hubOfScript('http://127.0.0.1:8585/liveleaf/latest/liveleaf.js'), 'http://127.0.0.1:8585');
    assert.equal(hubOfScript('https://a.example/hub/liveleaf/0.1.0/liveleaf.js'), 'https://a.example/hub');
    assert.equal(hubOfScript('https://cdn.example/npm/liveleaf@1/dist/liveleaf.js'), undefined);
  });

  it('writes a spec that the contract reads', () => {
    assert.equal(specOf({ repo: 'gh/a/b' }), 'gh/a/b/HEAD');
    assert.deepEqual(parseRepoSpec(specOf({ repo: 'gh/a/b/', ref: 'feature/x y#1' })!.replace('%20', '%2D')), {
      provider: 'gh',
      repo: 'a/b',
      ref: 'feature/x-y#1',
    });
    assert.equal(specOf({ hub: 'https://hub.example' }), undefined);
  });
});
