// The link maker: turns the form into a launch link, badges and a script tag.
const form = document.querySelector('#link-maker');
const results = document.querySelector('#results');

const field = (name) => form.elements.namedItem(name).value.trim();
const parts = (text) => text.split('/').map(encodeURIComponent).join('/');

const source = () => form.elements.namedItem('provider').selectedOptions[0];

/** `https://github.com/owner/name/tree/main` and its like are what people have at hand. */
const pasted = (repo) => {
  const match = /^https?:\/\/(?:www\.)?(github|gitlab)\.com\/([^?#]+?)(?:\.git)?\/?$/.exec(repo);
  return match ? match[2].replace(/\/(?:-\/)?(?:tree|blob)\/.*$/, '') : repo;
};

const repoSpec = () => {
  const { value, dataset } = source();
  const typed = field('repo');
  if (value === 'git') return `git/${encodeURIComponent(typed)}`;
  const repo = pasted(typed).replace(/^\/+|\/+$/g, '');
  if (value === 'dir') {
    const [root, ...path] = repo.split('/');
    return `dir/${encodeURIComponent(root)}/${encodeURIComponent(path.join('/') || '.')}`;
  }
  return `${value}/${dataset.encode === 'whole' ? encodeURIComponent(repo) : parts(repo)}`;
};

const link = () => {
  const ref = source().dataset.ref === '' ? '' : `/${parts(field('ref') || source().dataset.ref)}`;
  const url = new URL(`/v2/${repoSpec()}${ref}`, location.origin);
  if (field('file')) url.searchParams.set('labpath', field('file'));
  return url.href;
};

const show = () => {
  results.hidden = field('repo') === '';
  if (results.hidden) return;
  const href = link();
  const badge = `${location.origin}/badge_logo.svg`;
  document.querySelector('#link').href = href;
  document.querySelector('#link').textContent = href;
  document.querySelector('#markdown').value = `[![Launch](${badge})](${href})`;
  document.querySelector('#rst').value = `.. image:: ${badge}\n   :target: ${href}\n   :alt: Launch`;
  document.querySelector('#tag').value =
    `<script src="${location.origin}/liveleaf/latest/liveleaf.js" data-repo="${repoSpec()}" defer></script>`;
};

const changeSource = () => {
  const { label, placeholder, ref } = source().dataset;
  document.querySelector('#repo-label').textContent = label;
  form.elements.namedItem('repo').placeholder = placeholder;
  form.elements.namedItem('ref').disabled = ref === '';
  form.elements.namedItem('ref').placeholder = ref || 'none';
  show();
};

form.elements.namedItem('provider').addEventListener('change', changeSource);
form.addEventListener('input', show);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  location.assign(link());
});
changeSource();
