/**
 * Mutants of the kernels in WebAssembly, for scripts/mutate.js: one instruction, lane, offset, stride, condition, statement or
 * constant in the text of a module is replaced by another, and the generated file gets the bytes of that.
 */
import { resolve } from 'node:path';
import { embedKernels, embedded } from './build-kernels.js';

/** Replacements by mutator. @type {{ mutator: string, pattern: RegExp, by: string | ((found: string) => string) }[]} */
const REPLACEMENTS = [
  { mutator: 'Arithmetic', pattern: /\.(add|sub|mul|div)(?= )/g, by: (found) => ARITHMETIC[found.slice(1)] },
  { mutator: 'Arithmetic', pattern: /\.(p?max|p?min)(?= )/g, by: swapExtremes },
  { mutator: 'Arithmetic', pattern: /\.abs(?= )/g, by: '.neg' },
  { mutator: 'Arithmetic', pattern: /\.sqrt(?= )/g, by: '.abs' },
  { mutator: 'Arithmetic', pattern: /\.copysign(?= )/g, by: '.max' },
  { mutator: 'Arithmetic', pattern: /\bshl(?= )/g, by: 'shr_u' },
  { mutator: 'Arithmetic', pattern: /\bshr_u(?= )/g, by: 'shl' },
  { mutator: 'Logic', pattern: /\bv128\.or(?= )/g, by: 'v128.and' },
  { mutator: 'Logic', pattern: /\bi32\.and(?= )/g, by: 'i32.or' },
  { mutator: 'Logic', pattern: /\.ne(?= )/g, by: '.eq' },
  { mutator: 'Logic', pattern: /\bv128\.any_true(?= )/g, by: 'i64x2.all_true' },
  { mutator: 'Comparison', pattern: /\.[lg][te](_[us])?(?= )/g, by: orEqual },
  {
    mutator: 'Lane',
    pattern: /_lane [0-3](?= )/g,
    by: (found) => (found.endsWith('0') ? '_lane 1' : '_lane 0'),
  },
  { mutator: 'Lane', pattern: /_splat(?= )/g, by: '_zero' },
  { mutator: 'Lane', pattern: /shuffle( \d+){16}/g, by: `shuffle ${[...Array(16).keys()].join(' ')}` },
  {
    mutator: 'Offset',
    pattern: /\boffset=\d+/g,
    by: (found) => (found === 'offset=0' ? 'offset=16' : 'offset=0'),
  },
  // Pointers advance by twice as much, a number has twice as many bytes.
  {
    mutator: 'Stride',
    pattern: /\bi32\.const -?[1-9]\d*/g,
    by: (found) => `i32.const ${2 * Number(found.slice(10))}`,
  },
  { mutator: 'Constant', pattern: /\bf(32|64)\.const [^ )]+/g, by: otherConstant },
];

/** Expressions by their beginning. @type {{ mutator: string, pattern: RegExp, by: (found: string) => string }[]} */
const EXPRESSIONS = [
  // A pointer that no longer advances makes a loop endless.
  {
    mutator: 'Statement',
    pattern: /\(local\.set \$(\w+) (?!\(i32\.add \(local\.get \$\1\))|\([\w.]+\.store|\(call /g,
    by: () => '',
  },
  { mutator: 'Condition', pattern: /(?<=\((if|br_if \$\w+) )\(/g, by: (found) => `(i32.eqz ${found})` },
  { mutator: 'Rounding', pattern: /\(f64x2\.promote_low_f32x4 \(f32x4\.demote_f64x2_zero /g, by: innermost },
];

/** @type {Record<string, string>} */
const ARITHMETIC = { add: '.sub', sub: '.add', mul: '.div', div: '.mul' };

/** Exchanges < with ≤ and > with ≥. @param {string} found */
function orEqual(found) {
  return found.replace(/[te](?=_|$)/, (end) => (end === 't' ? 'e' : 't'));
}

/** @param {string} found */
function otherConstant(found) {
  return found.replace(/ .*/, (value) => (value === ' 0' ? ' 1' : ' 0'));
}

/** The x of an expression `(f (g x))`. @param {string} found */
function innermost(found) {
  return found.slice(found.indexOf(' (', found.indexOf(' (') + 1) + 1, -2);
}

/** @param {string} found */
function swapExtremes(found) {
  return found.includes('max') ? found.replace('max', 'min') : found.replace('min', 'max');
}

/** Returns the expression that begins at an index. @param {string} text @param {number} start */
function expressionAt(text, start) {
  let depth = 0;
  for (let at = start; ; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return text.slice(start, at + 1);
  }
}

/**
 * Lists the changes of a text.
 *
 * @param {string} text
 */
function changesOf(text) {
  const changes = [];
  for (const { mutator, pattern, by } of REPLACEMENTS) {
    for (const { 0: found, index } of text.matchAll(pattern))
      changes.push({ mutator, index, found, to: typeof by === 'string' ? by : by(found) });
  }
  for (const { mutator, pattern, by } of EXPRESSIONS) {
    for (const { index } of text.matchAll(pattern)) {
      const found = expressionAt(text, index);
      changes.push({ mutator, index, found, to: by(found) });
    }
  }
  return changes;
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
  for (const { mutator, index, found, to } of changesOf(text)) {
    const mutated = text.slice(0, index) + to + text.slice(index + found.length);
    // Some types of numbers lack the other instruction.
    const replacement = await embedKernels({ ...module, text: mutated }).catch(() => content);
    if (replacement === content) continue;
    const around = text.slice(text.lastIndexOf('(', index), index + 60).replaceAll(/\s+/g, ' ');
    const line = text.slice(0, index).split('\n').length;
    const id = `${file}: ${source} ${line}:${index} ${around} ${mutator}: ${found.slice(0, 40)} → ${to.slice(0, 40)}`;
    mutants.push({ file, id, from: 0, to: content.length, replacement, mutator });
  }
  return mutants;
}
