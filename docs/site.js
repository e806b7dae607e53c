// The sections of pages are open on a first visit; those of the reference are not.
for (const section of ['Begin here', 'Guides', 'In depth', 'Solvers']) {
  localStorage.setItem(
    `tsd-accordion-${section}`,
    localStorage.getItem(`tsd-accordion-${section}`) ?? 'true',
  );
}
