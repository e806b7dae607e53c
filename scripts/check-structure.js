// Checks the structure of src: no circle of imports between files or between folders, types included (the linter sees
// neither types nor folders), and no file over 320 lines. Reports functions over 45 lines, nested ones not counted.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

const MOST_LINES = 320;
const LONG_FUNCTION = 45;

/** Relative imports: `from './a.ts'`, `import './a.ts'` and `import('./a.ts')`. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g;

/** @type {Map<string, Set<string>>} */
const files = new Map();
/** @type {Map<string, Set<string>>} */
const folders = new Map();
/** @type {string[]} */
const faults = [];
/** @type {string[]} */
const long = [];

const all = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((path) => join('src', path));
for (const path of all.filter((name) => name.endsWith('.ts'))) {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n').length - 1;
  if (lines > MOST_LINES) faults.push(`${path} has ${lines} lines, more than ${MOST_LINES}.`);
  for (const { name, length } of functionsOf(text)) {
    if (length > LONG_FUNCTION) long.push(`${String(length).padStart(4)} ${path} ${name}`);
  }
  const imports = [...text.matchAll(IMPORT)].map(([, to]) => join(dirname(path), to));
  files.set(path, new Set(imports));
  // An entry point stands above its folder.
  if (basename(path) === 'index.ts') continue;
  const others = imports.map(dirname).filter((folder) => folder !== dirname(path));
  folders.set(dirname(path), new Set([...(folders.get(dirname(path)) ?? []), ...others]));
}

for (const circle of [...circlesOf(files), ...circlesOf(folders)]) {
  faults.push(`circle: ${[...circle, circle[0]].join(' → ')}`);
}
console.log(
  `${files.size} files, ${long.length} functions over ${LONG_FUNCTION} lines:\n${long.toSorted().toReversed().join('\n')}`,
);
if (faults.length > 0) throw new Error(faults.join('\n'));

/**
 * Returns the shortest circle of each node that lies on one, each circle once.
 *
 * @param {Map<string, Set<string>>} graph
 */
function circlesOf(graph) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const start of graph.keys()) {
    /** @type {string[][]} */
    const paths = [[start]];
    const seen = new Set();
    for (const path of paths) {
      const next = [...(graph.get(path[path.length - 1]) ?? [])].filter((node) => !seen.has(node));
      if (next.includes(start)) {
        found.set(path.toSorted().join(), path);
        break;
      }
      for (const node of next) {
        seen.add(node);
        paths.push([...path, node]);
      }
    }
  }
  return [...found.values()];
}

/**
 * Returns the functions of a file with their numbers of lines, without those of functions within.
 *
 * @param {string} text
 */
function functionsOf(text) {
  const lineAt = (/** @type {number} */ offset) => text.slice(0, offset).split('\n').length;
  /** @type {{ name: string, length: number }[]} */
  const found = [];
  /**
   * Returns the lines that functions in a node take.
   *
   * @param {any} node
   * @param {string} name - of what holds the node
   * @returns {number}
   */
  const visit = (node, name) => {
    if (node === null || typeof node !== 'object') return 0;
    if (Array.isArray(node)) return node.reduce((sum, child) => sum + visit(child, name), 0);
    const own = node.id?.name ?? node.key?.name ?? name;
    const inside = Object.values(node).reduce((sum, child) => sum + visit(child, own), 0);
    if (!/^(Function|ArrowFunction)/.test(node.type) || !node.body) return inside;
    const length = lineAt(node.end) - lineAt(node.start) + 1;
    found.push({ name: own, length: length - inside });
    return length > 1 ? length : inside;
  };
  visit(parseAst(text, { lang: 'ts' }), '');
  return found;
}
