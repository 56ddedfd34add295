// Follows a launch and opens its session. EventSource resumes by itself: the stream's ids name the launch.
import { showLine } from './ansi-line.js';

const MAX_LINES = 5_000;
const $ = (id) => document.getElementById(id);
const page = $('launch');
const { build, landing, hostSuffix } = page.dataset;
const STEP_OF = { pushing: 'building', built: 'building' };
const SAYS = {
  waiting: 'Looking up the repository',
  fetching: 'Fetching the repository',
  building: 'Building the environment',
  pushing: 'Storing the environment',
  built: 'The environment is there',
  launching: 'Starting the session',
};

let source;
let launch;
let startedAt;
let ended = false;

const log = (message) => {
  const box = $('log');
  const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const line = document.createElement('div');
  showLine(line, message);
  box.append(line);
  if (box.childElementCount > MAX_LINES) box.firstElementChild.remove();
  if (follows) box.scrollTop = box.scrollHeight;
};

const say = (text) => {
  if ($('status').textContent !== text) $('status').textContent = text;
};

const mark = (phase, state = 'now') => {
  const steps = [...$('steps').children];
  const at = steps.findIndex((step) => step.dataset.phase === (STEP_OF[phase] ?? phase));
  steps.forEach((step, index) => {
    step.className = index < at ? 'done' : index === at ? state : '';
    if (index === at) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  });
};

const showElapsed = () => {
  if (ended) return;
  const seconds = Math.floor((performance.now() - startedAt) / 1_000);
  $('elapsed').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

const addressOf = ({ url, token, session }) => {
  const shared = new URL(url);
  const base = hostSuffix ? `${shared.protocol}//${session}.${hostSuffix}${shared.pathname}` : shared.href;
  const address = new URL(base + landing);
  address.searchParams.set('token', token);
  return address.href;
};

const finish = () => {
  ended = true;
  source?.close();
  $('cancel').hidden = true;
};

const fail = (message, tail = []) => {
  finish();
  const steps = [...$('steps').children];
  const now = steps.find((step) => step.classList.contains('now')) ?? steps[0];
  now.className = 'failed';
  say('The launch failed.');
  $('failure').textContent = message.trim();
  $('failure').hidden = false;
  $('retry').hidden = false;
  if ($('log').childElementCount === 0) tail.forEach(log);
};

const take = (event) => {
  const data = JSON.parse(event.data);
  launch = { id: data.launch ?? launch?.id, token: event.lastEventId.split('.')[0] };
  if (data.phase === 'failed') return fail(data.message, data.logTail);
  if (data.phase === 'ready') {
    finish();
    mark('ready');
    say('Ready; opening.');
    const address = addressOf(data);
    $('open').href = address;
    $('open').hidden = false;
    return location.replace(address);
  }
  mark(data.phase);
  say(data.position ? `All places are taken; you are number ${data.position} in the queue` : (SAYS[data.phase] ?? ''));
  if (data.phase !== 'waiting' && data.message) log(data.message);
};

const start = () => {
  ended = false;
  launch = undefined;
  startedAt = performance.now();
  for (const id of ['failure', 'retry', 'open']) $(id).hidden = true;
  $('cancel').hidden = false;
  $('log').replaceChildren();
  mark('waiting');
  say('Connecting to the hub…');
  source = new EventSource(build);
  source.onmessage = take;
  source.onerror = () => {
    if (ended) return;
    if (source.readyState === EventSource.CLOSED) fail('The connection to the hub was lost and could not be resumed.');
    else say('The connection was lost; connecting again…');
  };
};

$('retry').addEventListener('click', start);
$('cancel').addEventListener('click', async () => {
  const { id, token } = launch ?? {};
  finish();
  say('Cancelled.');
  $('retry').hidden = false;
  if (id) await fetch(`/api/launches/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
});
setInterval(showElapsed, 1_000);

start();
