import { after } from 'node:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDockerRegistry, REGISTRY_USER, startDockerRegistry } from '../../helpers/docker-registry.ts';
import { startFakeRegistry } from '../../helpers/fake-registry.ts';
import { describeRegistry } from './describe-registry.ts';

const folder = await mkdtemp(join(tmpdir(), 'liveleaf-test-'));
const closing: (() => Promise<void>)[] = [() => rm(folder, { recursive: true })];
after(async () => {
  for (const close of closing) await close();
});

const fake = await startFakeRegistry({ pageLength: 2 });
closing.push(fake.close);
describeRegistry('A registry in memory', async () => ({ url: fake.url, options: {} }));

// The cluster's tests meet the real one in any case.
const program = await findDockerRegistry();
if (program !== undefined) {
  const open = await startDockerRegistry(program);
  const locked = await startDockerRegistry(program, { hasLogin: true });
  closing.push(open.close, locked.close);
  const credentialsFile = join(folder, 'config.json');
  const { username, password } = REGISTRY_USER;
  await writeFile(credentialsFile, JSON.stringify({ auths: { [locked.host]: { username, password } } }));
  describeRegistry('The reference registry', async () => ({ url: open.url, options: {} }));
  describeRegistry('The reference registry behind a login', async () => ({
    url: locked.url,
    options: { credentialsFile },
  }));
}
