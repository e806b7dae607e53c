/**
 * A page of still pictures that needs nothing else.
 *
 * @param {string} title
 * @param {readonly string[]} pictures - SVG
 */
export function staticPage(title, pictures) {
  const safe = title.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe}</title>
<style>body { margin: 1rem; display: flex; flex-wrap: wrap; gap: 1rem; justify-content: center; font-family: sans-serif } svg { max-width: 100%; height: auto }</style>
</head>
<body>
${pictures.join('\n')}
</body>
</html>
`;
}
