// `npm run docs`: documents, reference and playground as a site in docs/site. With `-- --versioned` the site is
// out/site/VERSION, out/site/versions.json lists the versions there, and out/site/index.html leads to the newest.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Orders versions, newest first; a pre-release is older than its release.
 *
 * @param {string} a
 * @param {string} b
 */
export function newestFirst(a, b) {
  const [coreA, preA] = a.split(/-(.*)/s);
  const [coreB, preB] = b.split(/-(.*)/s);
  const order = coreB.localeCompare(coreA, 'en', { numeric: true });
  if (order !== 0 || preA === preB) return order;
  if (preA === undefined || preB === undefined) return preA === undefined ? -1 : 1;
  return preB.localeCompare(preA, 'en', { numeric: true });
}

/**
 * Lists the versions in a folder in its versions.json, newest first, and makes its index.html lead to the newest release.
 *
 * @param {string} folder - with one folder a version
 * @returns {string[]} the versions
 */
export function listVersions(folder) {
  const versions = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^\d+\.\d+\.\d+/.test(entry.name))
    .map(({ name }) => name)
    .sort(newestFirst);
  const newest = versions.find((version) => !version.includes('-')) ?? versions[0];
  writeFileSync(join(folder, 'versions.json'), `${JSON.stringify(versions)}\n`);
  writeFileSync(
    join(folder, 'index.html'),
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>quasi-newton</title>
<meta http-equiv="refresh" content="0; url=${newest}/index.html"><a href="${newest}/index.html">quasi-newton ${newest}</a></html>\n`,
  );
  return versions;
}

/** @param {string[]} words - a command and its arguments */
function run(...[command, ...args]) {
  execFileSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
}

/** @param {boolean} versioned */
function build(versioned) {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const site = resolve(versioned ? join('out/site', version) : 'docs/site');
  mkdirSync(site, { recursive: true });
  run('npm', '--prefix', 'docs', 'ci');
  run('npm', '--prefix', 'docs', 'run', 'build', '--', '--out', site);
  run('npx', 'vite', 'build', 'playground', '--outDir', join(site, 'playground'), '--logLevel', 'warn');
  if (versioned) console.log(`versions: ${listVersions('out/site').join(', ')}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build(process.argv.includes('--versioned'));
