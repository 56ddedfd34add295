import type { PageController } from '../controller.ts';
import type { LivePage } from '../elements/live-page.ts';
import type { PageConfig } from './config.ts';
import { readThebeConfig } from './thebe-config.ts';

type Listener = (event: string, data: unknown) => void;

/** Reads the page's configuration blocks and marks them as read, as Thebe does. */
export const readBlocks = (blocks: readonly Element[]): PageConfig | undefined => {
  const config = readThebeConfig(
    blocks.map((block) => block.textContent),
    (problem) => console.warn(`Liveleaf: ${problem}`),
  );
  for (const block of blocks) block.setAttribute('data-thebe-loaded', 'true');
  return config;
};

/** Thebe's word for where a session stands, and a message. */
const statusOf = ({ session, kernel }: PageController): { status: string; message: string } => {
  switch (session.kind) {
    case 'none':
    case 'cancelled':
      return { status: 'unknown', message: '' };
    case 'launching':
      return session.progress.phase === 'connecting'
        ? { status: 'starting', message: 'Connecting to the kernel' }
        : { status: 'launching', message: `Binder is: ${session.progress.phase}` };
    case 'live':
      return { status: 'ready', message: session.notice ?? `Connected to ${kernel?.name ?? 'the kernel'}` };
    case 'failed':
    case 'lost':
      return { status: 'failed', message: session.failure.message };
  }
};

const element = (tag: string, className: string, text = ''): HTMLElement => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};

const mountStatus = (place: Element): ((status: string, message: string) => void) => {
  const field = element('span', 'thebe-status-field');
  const message = element('span', 'thebe-status-message');
  place.classList.add('thebe-status-mounted');
  place.replaceChildren(element('span', 'thebe-status-stub', 'Status: '), field, ' ', message);
  return (status, words) => {
    field.className = `thebe-status-field thebe-status-${status}`;
    field.textContent = status;
    message.textContent = words;
  };
};

/** What a Thebe 0.9 page expects beyond its cells: the two placeholders, the start with the page, and `window.thebe`. */
export const mountThebe = (page: LivePage): void => {
  const { controller } = page;
  const rules = controller.config.thebe;
  if (!rules) return;
  const listeners: [string, Listener][] = [];
  // An old example passes the click event where options are expected; whatever comes is not looked at.
  const bootstrap = async (): Promise<unknown> => {
    await controller.start();
    return { kernel: controller.kernel };
  };
  const places = rules.mountStatus ? [...document.querySelectorAll('.thebe-status')].map(mountStatus) : [];
  let last = '';
  const show = (): void => {
    const { status, message } = statusOf(controller);
    if (last === status + message) return;
    last = status + message;
    for (const place of places) place(status, message);
    const data = { subject: 'server', status, message, kernel: controller.kernel };
    for (const [name, listener] of listeners) if (name === 'status') listener(name, data);
  };
  controller.subscribe(show);
  if (places.length > 0) show();
  for (const place of rules.mountActivate ? document.querySelectorAll('.thebe-activate') : []) {
    const button = element('button', 'thebe-button thebe-activate-button', 'Activate');
    button.addEventListener('click', () => void bootstrap());
    place.replaceChildren(button);
  }
  const thebe = {
    version: '0.9.3',
    bootstrap,
    on: (name: string, listener: Listener) => void listeners.push([name, listener]),
    off: (name: string, listener?: Listener) => {
      const stay = listeners.filter((each) => each[0] !== name || (listener && each[1] !== listener));
      listeners.splice(0, listeners.length, ...stay);
    },
  };
  Object.assign(window, { thebe, thebelab: thebe });
  if (rules.bootstrap && rules.requestKernel) void bootstrap();
};
