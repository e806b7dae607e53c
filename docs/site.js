// The sections of pages are open on a first visit; those of the reference are not.
for (const section of ['Begin here', 'Guides', 'In depth', 'Solvers']) {
  localStorage.setItem(
    `tsd-accordion-${section}`,
    localStorage.getItem(`tsd-accordion-${section}`) ?? 'true',
  );
}

// Links to what stands on the site beside typedoc's pages, which typedoc cannot resolve.
document.addEventListener('DOMContentLoaded', () => {
  const base = document.documentElement.dataset.base ?? './';
  for (const link of document.querySelectorAll('a[data-site]')) link.href = new URL(link.dataset.site, new URL(base, location.href));
  const playground = document.createElement('a');
  playground.href = new URL('playground/index.html', new URL(base, location.href));
  playground.textContent = 'Playground';
  document.querySelector('#tsd-toolbar-links')?.append(playground);
});

/**
 * Puts a choice of versions beside the title, where the site stands in a folder named after its version and versions.json
 * beside that folder lists more than one. A version that lacks this page opens at its first page.
 */
async function offerVersions() {
  const root = new URL(document.documentElement.dataset.base ?? './', location.href);
  const current = root.pathname.split('/').at(-2) ?? '';
  if (!location.protocol.startsWith('http') || !/^\d+\.\d+\.\d+/.test(current)) return;
  const versions = await fetch(new URL('../versions.json', root)).then(
    (answer) => (answer.ok ? answer.json() : []),
  ).catch(() => []);
  if (!Array.isArray(versions) || versions.length < 2) return;
  const choice = document.createElement('select');
  choice.className = 'versions';
  choice.setAttribute('aria-label', 'Version');
  const all = versions.includes(current) ? versions : [current, ...versions];
  for (const version of all) choice.append(new Option(version, version, version === current, version === current));
  const open = async () => {
    const other = new URL(`../${choice.value}/`, root);
    const page = new URL(location.pathname.slice(root.pathname.length), other);
    const { ok } = await fetch(page, { method: 'HEAD' }).catch(() => ({ ok: false }));
    location.assign(ok ? page : new URL('index.html', other));
  };
  choice.addEventListener('change', () => void open());
  // A page that comes back from the cache shows its own version.
  window.addEventListener('pageshow', () => (choice.value = current));
  document.querySelector('#tsd-toolbar .title, .tsd-page-toolbar .title')?.after(choice);
}
document.addEventListener('DOMContentLoaded', () => void offerVersions());
