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

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const ask = async (path, init = {}) => {
  const response = await fetch(new URL(path, PUBLIC_URL), { ...init, dispatcher });
  if (response.ok) return response;
  const said = await response.text();
  const error = new Error(`${init.method ?? 'GET'} ${path} was answered with ${response.status}: ${said}`);
  throw Object.assign(error, { status: response.status });
};

/** Begins a launch; the same key begins the same one again, on whichever replica answers. */
const begin = async (spec, key) => {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  return (await ask('/api/launches', { method: 'POST', headers, body: JSON.stringify({ spec }) })).json();
};

/** A launch's events, from the first to the last, through as many streams as it takes. */
async function* eventsOf({ id, token }, beginAgain) {
  let last;
  for (let lost = 0; lost < 5;) {
    const headers = { authorization: `Bearer ${token}`, ...(last === undefined ? {} : { 'last-event-id': last }) };
    let text = '';
    try {
      const { body } = await ask(`/api/launches/${id}/events`, { headers });
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
      lost += 1;
      // Until a launch has a record, only the replica that began it knows of it.
      if (error.status === 404) await beginAgain();
      else console.log(`The stream was cut (${error.message}); going on where it was.`);
    }
    await sleep(1_000);
  }
  fail('The stream was cut again and again.');
}

/** Waits until the launch is ready, and says what it does until then. */
const readyOf = async (launch, beginAgain) => {
  for await (const event of eventsOf(launch, beginAgain)) {
    console.log(`${event.phase} ${event.message ?? ''}`.trim());
    if (event.phase === 'failed') fail(`The launch failed (${event.code}): ${event.message}`);
    if (event.phase === 'ready') return event;
  }
};

/** A socket to the kernel; a replica may hear of the session a moment after another has started it. */
const socketOf = async ({ url, token, kernel }) => {
  const address = new URL(`api/kernels/${kernel.id}/channels`, url.replace(/^http/, 'ws'));
  let reason;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const socket = new WebSocket(address, { dispatcher, headers: { authorization: `Bearer ${token}` } });
    reason = await new Promise((resolve) => {
      socket.onopen = () => resolve(undefined);
      socket.onerror = ({ message }) => resolve(message || 'no reason was given');
    });
    if (reason === undefined) return socket;
    await sleep(1_000);
  }
  return fail(`The kernel's socket does not open: ${reason}`);
};

/** Runs code in the kernel behind a socket; resolves with the text of its result. */
const resultOf = (socket, code) =>
  new Promise((resolve, reject) => {
    const session = randomUUID();
    const header = { msg_id: randomUUID(), msg_type: 'execute_request', session, username: '', version: '5.3' };
    const content = { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false };
    const answered = (settle, value) => {
      socket.close();
      settle(value);
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.parent_header.msg_id !== header.msg_id) return;
      if (message.msg_type === 'execute_result') answered(resolve, message.content.data['text/plain']);
      if (message.msg_type === 'error')
        answered(reject, new Error(`${message.content.ename}: ${message.content.evalue}`));
    };
    socket.onclose = ({ code: status }) =>
      reject(new Error(`The kernel's socket was closed (${status}) before the result came.`));
    socket.send(JSON.stringify({ channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] }));
  });

const test = async () => {
  await ask('/readyz');
  if (!LAUNCH) fail('There is nothing to launch: name a repository in config.allow, or in test.launch.');
  console.log(`Launching ${LAUNCH}`);
  const key = randomUUID();
  const launch = await begin(LAUNCH, key);
  try {
    const ready = await readyOf(launch, () => begin(LAUNCH, key));
    const result = await resultOf(await socketOf(ready), '1+1');
    if (result !== '2') fail(`1+1 gave ${result}.`);
    console.log('1+1 is 2: the hub works.');
  } finally {
    const stop = { method: 'DELETE', headers: { authorization: `Bearer ${launch.token}` } };
    await ask(`/api/launches/${launch.id}`, stop).catch(({ status, message }) => {
      if (status !== 404) console.log(`The session could not be stopped: ${message}`);
    });
  }
};

await test().then(
  () => process.exit(0),
  (error) => {
    console.log(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
    process.exit(1);
  },
);
