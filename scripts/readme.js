// README.md as npm shows it. Its page has no repository to resolve relative links against, so that pictures would not
// show: `prepack` makes pictures and links lead to the files of the very version on a CDN, `postpack` puts README.md back.
// Should packing fail in between, the next `prepack`, or `node scripts/readme.js restore`, puts it back.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Code in fences, code in a line, and what links and pictures lead to: with what stands before and after it. */
const linkPattern = /^```[\s\S]*?^```|`[^`\n]*`|(\]\()([^)\s]+)(\))|(\b(?:src|srcset|href)=")([^"]+)(")/gm;

/**
 * Replaces what links and pictures of a page lead to; code is left alone.
 *
 * @param {string} text - Markdown
 * @param {(target: string) => string} replace
 * @returns {string}
 */
export function mapLinks(text, replace) {
  return text.replaceAll(linkPattern, (all, open, target, close, openTag, source, closeTag) => {
    if (target !== undefined) return `${open}${replace(target)}${close}`;
    return source === undefined ? all : `${openTag}${replace(source)}${closeTag}`;
  });
}

/**
 * Lists what links and pictures of a page lead to.
 *
 * @param {string} text - Markdown
 * @returns {string[]}
 */
export function linksOf(text) {
  /** @type {string[]} */
  const targets = [];
  mapLinks(text, (target) => {
    targets.push(target);
    return target;
  });
  return targets;
}

/**
 * Tells whether a target is a file beside the page: no address of the web, and no heading of the page itself.
 *
 * @param {string} target
 */
export const isRelative = (target) => !/^([a-z][a-z\d+.-]*:|\/\/|#)/i.test(target);

/**
 * The address of a version's files, with a slash at its end.
 *
 * @param {{ name: string, version: string }} manifest - package.json
 */
export const cdnOf = ({ name, version }) => `https://cdn.jsdelivr.net/npm/${name}@${version}/`;

/**
 * A page at the package's root with all its relative links made absolute.
 *
 * @param {string} text - Markdown
 * @param {string} base - the address of the package's files, with a slash at its end
 * @param {readonly string[]} paths - of the files in the package
 * @returns {string}
 * @throws Error if a link leads to what is not in the package
 */
export function absoluteLinks(text, base, paths) {
  return mapLinks(text, (target) => {
    if (!isRelative(target)) return target;
    const path = target.replace(/^\.\//, '');
    const file = path.replace(/[?#].*$/, '');
    if (!paths.includes(file)) {
      throw new Error(
        `README.md links to ${target}, which is not a file of the package: ` +
          'add it to `files` in package.json, or mend the link.',
      );
    }
    return base + path;
  });
}

const page = 'README.md';
/** README.md as it was, and as it is packed. */
const original = 'out/pack/README.original.md';
const packed = 'out/pack/README.packed.md';

/** Rewrites README.md, and keeps a copy of the original. */
function rewrite() {
  restore();
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    }),
  );
  const text = readFileSync(page, 'utf8');
  const paths = files.map((/** @type {{ path: string }} */ { path }) => path);
  const absolute = absoluteLinks(text, cdnOf(JSON.parse(readFileSync('package.json', 'utf8'))), paths);
  mkdirSync(dirname(original), { recursive: true });
  // In this order README.md can be put back wherever this is interrupted.
  writeFileSync(packed, absolute);
  writeFileSync(original, text);
  writeFileSync(page, absolute);
}

/** Puts README.md back if it was rewritten; never over what was written into it since. */
function restore() {
  if (!existsSync(original)) return;
  const before = readFileSync(original);
  const now = readFileSync(page);
  if (now.equals(readFileSync(packed))) writeFileSync(page, before);
  else if (!now.equals(before)) {
    throw new Error(
      `${page} has changed since it was rewritten for packing. Its original is ${original}: ` +
        `take over the changes you want, and delete ${dirname(original)}.`,
    );
  }
  rmSync(dirname(original), { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const actions = { rewrite, restore };
  const action = actions[/** @type {keyof typeof actions} */ (process.argv[2])];
  if (action === undefined) throw new Error(`Expected rewrite or restore, got ${process.argv[2]}.`);
  action();
}
