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
