// The examples of docs/sdk.md: each of its code blocks stands in here, line by line.
import {
  connectKernel,
  launch,
  LiveleafError,
  SavedServers,
  type KernelConnection,
  type Server,
  type World,
} from '../../sdk/index.ts';

export const follow = async (spec: string, hub: string): Promise<Server> => {
  const running = launch(spec, { hub });
  for await (const event of running) {
    if (event.phase === 'waiting' && event.position) console.log(`Place ${event.position} in the queue`);
    else if ('message' in event) console.log(`${event.phase}: ${event.message}`);
    else console.log(event.phase);
  }
  const server = await running.server;
  return server;
};

export const run = async (server: Server): Promise<{ text: string; status: string }> => {
  const kernel = await connectKernel(server);
  const execution = kernel.execute('print(6 * 7)');
  let text = '';
  for await (const output of execution) {
    if (output.type === 'stream') text += output.text;
    if (output.type === 'result') text += String(output.data['text/plain']);
    if (output.type === 'error') text += output.traceback.join('\n');
  }
  const { status } = await execution.result;
  kernel.dispose();
  return { text, status };
};

export const explain = async (spec: string, hub: string): Promise<string> => {
  try {
    const { url } = await launch(spec, { hub }).server;
    return `Runs at ${url}`;
  } catch (error) {
    if (!LiveleafError.isInstance(error)) throw error;
    const { file, line } = error.detail ?? {};
    return `${error.code}: ${error.message}${file ? ` (${file}, line ${line})` : ''}`;
  }
};

export const watchConnection = async (spec: string, hub: string): Promise<string[]> => {
  const states: string[] = [];
  const running = launch(spec, { hub });
  const stop = running.onConnection((state, attempt) => states.push(`${state} ${attempt}`));
  await running.server;
  stop();
  return states;
};

export const launchAndCancel = async (spec: string, hub: string): Promise<Server> => {
  const running = launch(spec, { hub });
  const server = await running.server;
  await running.cancel();
  return server;
};

export const stopWaiting = async (spec: string, hub: string): Promise<unknown> => {
  const gaveUp = new AbortController();
  const running = launch(spec, { hub, signal: gaveUp.signal });
  gaveUp.abort();
  return running.server.catch((reason: unknown) => reason);
};

export const answerInput = async (kernel: KernelConnection): Promise<string> => {
  const execution = kernel.execute('name = input("Your name? ")\nprint("Hello", name)', {
    onInput: async ({ prompt, password }) => (password ? 'secret' : `what was asked: ${prompt}`),
  });
  let text = '';
  for await (const output of execution) if (output.type === 'stream') text += output.text;
  return text;
};

export const interrupt = async (kernel: KernelConnection): Promise<string | undefined> => {
  const endless = kernel.execute('while True: pass');
  while (kernel.status !== 'busy') await new Promise((resolve) => kernel.onStatus(resolve));
  await kernel.interrupt();
  const { error } = await endless.result;
  return error?.name;
};

export const complete = async (kernel: KernelConnection): Promise<readonly string[]> => {
  const code = 'import json\njson.du';
  const { matches } = await kernel.complete(code, code.length);
  return matches;
};

export const remember = async (
  hub: string,
  spec: string,
  server: Server,
  world: World,
): Promise<Server | undefined> => {
  const saved = new SavedServers(world, { hub, spec });
  saved.save({ server });
  const earlier = await saved.load();
  return earlier?.server;
};

export const launchOnBinderHub = (spec: string, hub: string) => {
  const running = launch(spec, { hub, api: 'binderhub' });
  return running;
};
