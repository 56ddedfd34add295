// What `helm test` runs: launches a repository through the hub's API as a page does, and runs 1+1 in its kernel.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { connect } from 'node:net';

const { HUB, SESSIONS, PUBLIC_URL, LAUNCH, PACKAGE } = process.env;
const { Agent, fetch, WebSocket } = createRequire(PACKAGE)('undici');

const fail = (sentence) => {
  throw new Error(sentence);
};

/** Where a connection leads, by its URL or by what the agent says of it. */
const endOf = ({ hostname, port, protocol }) => `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;

/** The hub answers to its public addresses only, which may lead nowhere yet; so their connections go to the Services. */
const dispatcher = new Agent({
  connect: (end, callback) => {
    const service = new URL(endOf(end) === endOf(new URL(PUBLIC_URL)) ? HUB : SESSIONS);
    const socket = connect({ host: service.hostname, port: Number(service.port) });
    socket.once('connect', () => callback(null, socket)).once('error', callback);
  },
});

const ask = async (path, init = {}) => {
  const response = await fetch(new URL(path, PUBLIC_URL), { ...init, dispatcher });
  if (!response.ok)
    fail(`${init.method ?? 'GET'} ${path} was answered with ${response.status}: ${await response.text()}`);
  return response;
};

/** A launch's events, from the first to the last, through as many streams as it takes. */
async function* eventsOf({ id, token }) {
  let last;
  for (;;) {
    const headers = { authorization: `Bearer ${token}`, ...(last === undefined ? {} : { 'last-event-id': last }) };
    const { body } = await ask(`/api/launches/${id}/events`, { headers });
    let text = '';
    try {
      for await (const piece of body.pipeThrough(new TextDecoderStream())) {
        text += piece;
        const blocks = text.split('\n\n');
        text = blocks.pop();
        for (const block of blocks) {
          const field = (name) => block.match(new RegExp(`^${name}: ?(.*)$`, 'm'))?.[1];
          last = field('id') ?? last;
          const data = field('data');
          if (data) yield JSON.parse(data);
        }
      }
    } catch (error) {
      console.log(`The stream was cut (${error.message}); going on where it was.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** Waits until the launch is ready, and says what it does until then. */
const readyOf = async (launch) => {
  for await (const event of eventsOf(launch)) {
    console.log(`${event.phase} ${event.message ?? ''}`.trim());
    if (event.phase === 'failed') fail(`The launch failed (${event.code}): ${event.message}`);
    if (event.phase === 'ready') return event;
  }
};

/** Runs code in the kernel; resolves with the text of its result. */
const resultOf = ({ url, token, kernel }, code) =>
  new Promise((resolve, reject) => {
    const address = new URL(`api/kernels/${kernel.id}/channels`, url.replace(/^http/, 'ws'));
    const socket = new WebSocket(address, { dispatcher, headers: { authorization: `Bearer ${token}` } });
    const session = randomUUID();
    const header = { msg_id: randomUUID(), msg_type: 'execute_request', session, username: '', version: '5.3' };
    const content = { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false };
    const answered = (settle, value) => {
      socket.close();
      settle(value);
    };
    socket.onopen = () =>
      socket.send(JSON.stringify({ channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] }));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.parent_header.msg_id !== header.msg_id) return;
      if (message.msg_type === 'execute_result') answered(resolve, message.content.data['text/plain']);
      if (message.msg_type === 'error')
        answered(reject, new Error(`${message.content.ename}: ${message.content.evalue}`));
    };
    socket.onerror = ({ message }) =>
      reject(new Error(`The kernel's socket failed: ${message || 'no reason was given'}`));
    socket.onclose = ({ code: status }) =>
      reject(new Error(`The kernel's socket was closed (${status}) before the result came.`));
  });

const test = async () => {
  await ask('/readyz');
  if (!LAUNCH) fail('There is nothing to launch: name a repository in config.allow, or in test.launch.');
  console.log(`Launching ${LAUNCH}`);
  const launch = await (
    await ask('/api/launches', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ spec: LAUNCH }),
    })
  ).json();
  try {
    const result = await resultOf(await readyOf(launch), '1+1');
    if (result !== '2') fail(`1+1 gave ${result}.`);
    console.log('1+1 is 2: the hub works.');
  } finally {
    await ask(`/api/launches/${launch.id}`, { method: 'DELETE', headers: { authorization: `Bearer ${launch.token}` } });
  }
};

await test().then(
  () => process.exit(0),
  (error) => {
    console.log(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
    process.exit(1);
  },
);
