// Runs in the page that `hostile-outputs.test.ts` serves.
import { createOutputModel } from '../../../widget/outputs/output-model.ts';
import { renderOutputs } from '../../../widget/outputs/render-output.ts';
import type { OutputMessage } from '../../../sdk/kernel.ts';

const globals = globalThis as unknown as Record<string, unknown>;

let calls = 0;
globals['__pwned'] = () => (calls += 1);
for (const name of ['alert', 'confirm', 'prompt', 'open', 'print']) globals[name] = () => (calls += 1);

const violations: string[] = [];
document.addEventListener('securitypolicyviolation', (event) =>
  violations.push(`${event.effectiveDirective} ${event.sample}`),
);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Every element that an output has put on the page, through all shadow roots. */
const everything = (root: ParentNode): Element[] =>
  [...root.querySelectorAll('*')].flatMap((element) => [
    element,
    ...(element.shadowRoot ? everything(element.shadowRoot) : []),
  ]);

const EVENTS = [
  'pointerenter',
  'mouseover',
  'focus',
  'pointerdown',
  'toggle',
  'error',
  'load',
  'animationstart',
  'beforetoggle',
  'scroll',
];

/** What an eager reader would do to it. Links that lead away are not followed: that is what they are for. */
const poke = (elements: readonly Element[]): void => {
  for (const element of elements) {
    for (const name of EVENTS) element.dispatchEvent(new Event(name, { bubbles: true }));
    if (element instanceof HTMLElement && !element.closest('a[href^="http"]')) element.click();
  }
};

/** How long the first output of a kind may take, in milliseconds. */
const DRAWN_MS = 5_000;

const settled = async (host: HTMLElement): Promise<void> => {
  const until = performance.now() + DRAWN_MS;
  while (performance.now() < until && everything(host).every((element) => !element.matches('.live-html > *')))
    await pause(5);
};

const ATTRIBUTES_OF_OURS = /^(?:class|part|tabindex|role|aria-label|hidden)$/;

/** What is left in the output's own shadow root, as far as a rule forbids it. */
const forbidden = (host: HTMLElement): string[] => {
  const inner = everything(host).filter((element) => element.getRootNode() !== host.getRootNode());
  const names = inner.filter((element) =>
    /^(?:script|iframe|frame|object|embed|form|button|select|textarea|style|link|meta|base|svg|math|template|slot)$|-/.test(
      element.localName,
    ),
  );
  const inputs = inner.filter((element) => element instanceof HTMLInputElement && element.type !== 'checkbox');
  const attributes = inner.flatMap((element) =>
    element
      .getAttributeNames()
      .filter(
        (name) =>
          /^(?:on|data-|aria-|role$|slot$|part$|is$|ping$|srcset$|action|form|tabindex|accesskey|contenteditable|popover|autofocus)/.test(
            name,
          ) ||
          ((name === 'id' || name === 'name') && !(element.getAttribute(name) ?? '').startsWith('user-content-')) ||
          (name === 'href' && !/^https?:\/\//.test(element.getAttribute(name) ?? '')) ||
          (name === 'src' && !/^(?:https?:\/\/|data:(?:image|audio|video)\/)/.test(element.getAttribute(name) ?? '')),
      ),
  );
  const links = inner.filter(
    (element) => element.matches('a[href]') && element.getAttribute('rel') !== 'noopener noreferrer nofollow',
  );
  const outside = everything(host)
    .filter((element) => element.getRootNode() === host.getRootNode())
    .flatMap((element) => element.getAttributeNames().filter((name) => !ATTRIBUTES_OF_OURS.test(name)));
  return [
    ...[...names, ...inputs].map((element) => `<${element.localName}>`),
    ...attributes,
    ...links.map(() => 'rel'),
    ...outside,
  ];
};

/** Whether an output stays within its box, whatever its styles say. */
const reachesOut = (host: HTMLElement): boolean => {
  const { right, bottom } = host.getBoundingClientRect();
  const beyond = document.elementFromPoint(
    Math.min(innerWidth - 2, right + 20),
    Math.min(innerHeight - 2, bottom + 20),
  );
  return beyond !== null && host.contains(beyond);
};

/** Shows one HTML output, pokes at it, takes it away; gives what went wrong. */
const tryHtml = async (
  html: string,
): Promise<{ readonly calls: number; readonly forbidden: string[]; readonly reachesOut: boolean }> => {
  calls = 0;
  const host = document.createElement('div');
  host.style.width = '400px';
  document.body.append(host);
  const model = createOutputModel();
  const stop = renderOutputs(model, host);
  const message: OutputMessage = { type: 'display', data: { 'text/html': html }, metadata: {} };
  model.apply(message);
  await settled(host);
  const out = reachesOut(host);
  poke(everything(host));
  await pause(20);
  const found = forbidden(host);
  stop();
  host.remove();
  return { calls, forbidden: found, reachesOut: out };
};

Object.assign(globals, { tryHtml, violations, ready: true });
