import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureHelm, readZipMember } from '../../scripts/install-helm.mjs';

const world = {
  env: {},
  target: '/nowhere/helm',
  canRun: true,
  versionOf: (): string | undefined => undefined,
  fetch: (): boolean => assert.fail('nothing is to be fetched'),
};

describe('installing Helm for the tests', () => {
  it('takes the one that is named, else a recent one on the PATH', () => {
    assert.equal(ensureHelm({ ...world, env: { HELM_PATH: '/opt/helm' } }), '/opt/helm');
    assert.equal(ensureHelm({ ...world, versionOf: () => '3.18.0' }), 'helm');
    assert.equal(ensureHelm({ ...world, versionOf: () => '4.0.1' }), 'helm');
  });

  it('fetches one where that on the PATH is too old', () => {
    assert.equal(ensureHelm({ ...world, versionOf: () => '3.9.4', fetch: () => true }), '/nowhere/helm');
  });

  it('says what to do where none can be had', () => {
    const said = /Helm 3\.18 or newer is needed; install it from helm\.sh, or name one in HELM_PATH/;
    assert.throws(() => ensureHelm({ ...world, canRun: false }), said);
    assert.throws(() => ensureHelm({ ...world, fetch: () => false }), said);
  });

  it('reads a member of a zip archive as others wrote it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'liveleaf-zip-'));
    const text = 'a line that repeats\n'.repeat(500);
    writeFileSync(join(folder, 'one'), text);
    writeFileSync(join(folder, 'two'), 'short');
    execFileSync('python3', ['-m', 'zipfile', '-c', 'both.zip', 'two', 'one'], { cwd: folder });
    const zip = readFileSync(join(folder, 'both.zip'));
    rmSync(folder, { recursive: true });
    assert.equal(readZipMember(zip, 'one').toString(), text);
    assert.equal(readZipMember(zip, 'two').toString(), 'short');
    assert.throws(() => readZipMember(zip, 'three'), /holds no three/);
    assert.throws(() => readZipMember(Buffer.from(text), 'one'), /no zip archive/);
  });
});
