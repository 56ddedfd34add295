/** A hub in a process of its own, to be killed: `hub-process.ts <world> <launch id> <isolation> [bytes of content]`;
 * prints each step it reaches, and the code of its failure.
 */
import { seed, sessionWorld } from './session-world.ts';

const [folder, launchId, isolation, bytes] = process.argv.slice(2);
if (folder === undefined || launchId === undefined) throw new Error('A world and a launch id are needed.');
const say = (step: string) => process.stdout.write(`${step}\n`);
const world = await sessionWorld(folder);
const spawner = await world.spawner({ isolation: isolation === 'none' ? 'none' : 'auto' });
say('created');
const { name } = await spawner.reserve(seed({ launchId }));
say('reserved');
const files = { 'hello.txt': 'hello', ...(bytes !== undefined && { big: 'x'.repeat(Number(bytes)) }) };
try {
  await spawner.start(name, world.launchable(files), say, new AbortController().signal);
  say('ready');
} catch (error) {
  await spawner.close();
  say(`failed ${(error as { code?: string }).code}`);
  process.exit();
}
