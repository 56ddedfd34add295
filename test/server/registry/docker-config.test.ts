import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findCredentials } from '../../../server/registry/docker-config.ts';

const encoded = (text: string) => Buffer.from(text).toString('base64');

const CONFIG = JSON.stringify({
  auths: {
    'registry.example.org': { auth: encoded('robot:pass:word') },
    'registry.example.org/team': { username: 'team', password: 'of the folder' },
    'https://registry.example.org:5000/v2/': { username: 'port', password: 'other' },
    'https://index.docker.io/v1/': { auth: encoded('hub:docker') },
    'azure.example.org': { auth: encoded('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' },
    'token.example.org': { registrytoken: 'ready-made' },
    'empty.example.org': {},
    'broken.example.org': { auth: 'no colon in here' },
    'helper.example.org': { email: 'a@example.org' },
  },
  credHelpers: { 'helper.example.org': 'ecr-login' },
});

const find = (host: string, repository = 'a/b') => findCredentials(CONFIG, host, repository);

describe('The credentials of a Docker config.json', () => {
  it('are found by host, with its port, whatever the key’s spelling', () => {
    assert.deepEqual(find('registry.example.org'), { kind: 'password', username: 'robot', password: 'pass:word' });
    assert.deepEqual(find('Registry.Example.org:5000'), { kind: 'password', username: 'port', password: 'other' });
    assert.deepEqual(find('registry-1.docker.io'), { kind: 'password', username: 'hub', password: 'docker' });
  });

  it('of a folder come before those of its host, and reach no folder that only begins alike', () => {
    const nameOf = (repository: string) => {
      const found = find('registry.example.org', repository);
      return found?.kind === 'password' ? found.username : undefined;
    };
    assert.equal(nameOf('team/a'), 'team');
    assert.equal(nameOf('team'), 'team');
    assert.equal(nameOf('team-b/a'), 'robot');
  });

  it('may be tokens', () => {
    assert.deepEqual(find('azure.example.org'), { kind: 'identity-token', token: 'refresh' });
    assert.deepEqual(find('token.example.org'), { kind: 'access-token', token: 'ready-made' });
  });

  it('are none for any other host, and none where the entry has none', () => {
    for (const host of [
      'example.org',
      'registry.example.org.evil.test',
      'empty.example.org',
      'broken.example.org',
      'helper.example.org',
    ])
      assert.equal(find(host), undefined, host);
    assert.equal(findCredentials('{}', 'registry.example.org', 'a'), undefined);
  });

  it('are refused from what is no such file', () => {
    assert.throws(() => findCredentials('registry.example.org: me', 'registry.example.org', 'a'), SyntaxError);
    assert.throws(() => findCredentials('{"auths": 1}', 'registry.example.org', 'a'), SyntaxError);
  });
});
