/** The same one-cell page for Liveleaf and for each peer. */

const CODE = '1+1';
export const ANSWER = '2';

const page = (head: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>One cell</title>${head}</head><body><h1>One cell</h1>${body}</body></html>`;

/** `repo` is `owner/name`; `hub` an address without a closing slash. */
export const benchPages = (hub: string, repo: string): Readonly<Record<string, string>> => ({
  'page-liveleaf': page(
    `<script defer src="/liveleaf/liveleaf.js" data-hub="${hub}" data-repo="gh/${repo}"></script>`,
    `<div><pre data-executable data-language="python">${CODE}</pre></div>`,
  ),
  'page-thebe': page(
    `<link rel="stylesheet" href="/thebe/thebe.css"><script type="text/x-thebe-config">{ requestKernel: true, mathjaxUrl: false,
      binderOptions: { repo: "${repo}", ref: "HEAD", binderUrl: "${hub}" }, kernelOptions: { kernelName: "python3" },
      savedSessionOptions: { enabled: false } }</script><script src="/thebe/index.js"></script>
    <script>
      addEventListener('DOMContentLoaded', () => document.getElementById('activate').addEventListener('click', () => {
        thebe.bootstrap(thebe.getPageConfig()).then(() => document.querySelector('.thebe-run-button').click());
      }));
    </script>`,
    `<button id="activate">Activate</button><pre data-executable="true" data-language="python">${CODE}</pre>`,
  ),
  'page-juniper': page(
    `<script src="/juniper/juniper.min.js"></script>
    <script>addEventListener('DOMContentLoaded', () => new Juniper({ repo: '${repo}', branch: 'HEAD', url: '${hub}', kernelType: 'python3', useStorage: false }));</script>`,
    `<pre data-executable>${CODE}</pre>`,
  ),
});
