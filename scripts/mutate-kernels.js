/**
 * Mutants of the kernels in WebAssembly, for scripts/mutate.js: one instruction, lane, offset or constant in the text of a
 * module is replaced by another, and the generated file gets the bytes of that.
 */
import { resolve } from 'node:path';
import { embedKernels, embedded } from './build-kernels.js';

/** Replacements by mutator. @type {{ mutator: string, pattern: RegExp, by: string | ((found: string) => string) }[]} */
const REPLACEMENTS = [
  { mutator: 'Arithmetic', pattern: /\.(add|sub|mul|div)(?= )/g, by: (found) => ARITHMETIC[found.slice(1)] },
  { mutator: 'Arithmetic', pattern: /\.(p?max|p?min)(?= )/g, by: swapExtremes },
  { mutator: 'Arithmetic', pattern: /\.abs(?= )/g, by: '.neg' },
  { mutator: 'Arithmetic', pattern: /\.sqrt(?= )/g, by: '.abs' },
  { mutator: 'Arithmetic', pattern: /\bshl(?= )/g, by: 'shr_u' },
  { mutator: 'Logic', pattern: /\bv128\.or(?= )/g, by: 'v128.and' },
  { mutator: 'Logic', pattern: /\.ne(?= )/g, by: '.eq' },
  { mutator: 'Comparison', pattern: /\.(lt|le|gt|ge)_u(?= )/g, by: (found) => COMPARISON[found.slice(1)] },
  { mutator: 'Lane', pattern: /_lane [01](?= )/g, by: (found) => `_lane ${1 - Number(found.at(-1))}` },
  { mutator: 'Offset', pattern: /\boffset=\d+/g, by: 'offset=0' },
  { mutator: 'Constant', pattern: /\bf(32|64)\.const 0(?=\))/g, by: (found) => found.replace(/0$/, '1') },
];

/** @type {Record<string, string>} */
const ARITHMETIC = { add: '.sub', sub: '.add', mul: '.div', div: '.mul' };
/** @type {Record<string, string>} */
const COMPARISON = { lt_u: '.le_u', le_u: '.lt_u', gt_u: '.ge_u', ge_u: '.gt_u' };

/** @param {string} found */
function swapExtremes(found) {
  return found.includes('max') ? found.replace('max', 'min') : found.replace('min', 'max');
}

/**
 * Returns the mutants of a generated file; null for any other file.
 *
 * @param {string} file
 * @param {string} content
 */
export async function mutantsOfKernels(file, content) {
  const module = embedded.find(({ path }) => path === resolve(file));
  if (module === undefined) return null;
  const { text, source } = module;
  const mutants = [];
  for (const { mutator, pattern, by } of REPLACEMENTS) {
    for (const { 0: found, index } of text.matchAll(pattern)) {
      const to = typeof by === 'string' ? by : by(found);
      const mutated = text.slice(0, index) + to + text.slice(index + found.length);
      // Some types of numbers lack the other instruction.
      const replacement = await embedKernels({ ...module, text: mutated }).catch(() => content);
      if (replacement === content) continue;
      const around = text.slice(text.lastIndexOf('(', index), index + 60).replaceAll(/\s+/g, ' ');
      const line = text.slice(0, index).split('\n').length;
      const id = `${file}: ${source} ${line}:${index} ${around} ${found} → ${to}`;
      mutants.push({ file, id, from: 0, to: content.length, replacement, mutator });
    }
  }
  return mutants;
}
