// The passes of src/core/kernels/triangle.ts over a matrix, in WebAssembly text. That file describes the storage; its plain
// loops add in the same order.

import { get, numbered, parameters, set, vectors } from './wat.js';

const rowPair = [0, 1];

/** Bytes of a block of the panel, and where its parts lie. */
const BLOCK = 128;
const AT = { w: 0, z: 16, x: 32, product: 48, u: 64, v: 80 };

/** @param {string} pointer */
const load = (pointer, offset = 0) => `(v128.load offset=${offset} ${get(pointer)})`;
/** One number in both lanes. @param {string} pointer @param {number} offset */
const splat = (pointer, offset) => `(v128.load64_splat offset=${offset} ${get(pointer)})`;
/** @param {string} a @param {string} b */
const plus = (a, b) => `(f64x2.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f64x2.mul ${a} ${b})`;
/** @param {string} pointer @param {number} bytes */
const advance = (pointer, bytes) => set(pointer, `(i32.add ${get(pointer)} (i32.const ${bytes}))`);
/** @param {string} sum */
const lanes = (sum) => `(f64.add (f64x2.extract_lane 0 ${get(sum)}) (f64x2.extract_lane 1 ${get(sum)}))`;

/** @param {number} row */
const addToSum = (row) => set(`sum${row}`, plus(get(`sum${row}`), times(get('a'), get('x'))));
/** @param {number} row */
const addToProduct = (row) => set('product', plus(get('product'), times(get('a'), get(`x${row}`))));

/**
 * A pass with the update, or the product alone.
 *
 * @param {string} name
 * @param {boolean} updates
 */
function pass(name, updates) {
  /** Sets `a` to two numbers of a row. @param {number} row */
  const element = (row) =>
    updates
      ? `${set(
          'a',
          plus(
            times(get('c'), load(`row${row}`)),
            plus(times(get(`u${row}`), get('w')), times(get(`v${row}`), get('z'))),
          ),
        )}
      (v128.store ${get(`row${row}`)} ${get('a')})`
      : set('a', load(`row${row}`));
  const read = [
    ...(updates ? [set('w', load('at', AT.w)), set('z', load('at', AT.z))] : []),
    set('x', load('at', AT.x)),
  ];
  return `
  (func (export "${name}") ${parameters('i32', ['row0', 'panel', 'blocks'])} (param $scale f64)
    (local $row1 i32) (local $bytes i32) (local $at i32) (local $end i32) (local $last i32)
    ${vectors(['c', 'a', 'w', 'z', 'x', 'product', ...rowPair.flatMap((row) => ['u', 'v', 'x', 'sum'].map((part) => `${part}${row}`))])}
    ${updates ? set('c', `(f64x2.splat ${get('scale')})`) : ''}
    ${set('last', `(i32.add ${get('panel')} (i32.mul ${get('blocks')} (i32.const ${BLOCK})))`)}
    ${set('end', get('panel'))}
    (loop $block
    ${advance('bytes', 16)}
    ${set('row1', `(i32.add ${get('row0')} ${get('bytes')})`)}
    ${rowPair
      .flatMap((row) => [
        ...(updates ? ['u', 'v'] : []).map((part) =>
          set(`${part}${row}`, splat('end', AT[/** @type {'u' | 'v'} */ (part)] + 8 * row)),
        ),
        set(`x${row}`, splat('end', AT.x + 8 * row)),
        set(`sum${row}`, '(i32x4.splat (i32.const 0))'),
      ])
      .join('\n    ')}
    ${set('at', get('panel'))}
    (if (i32.lt_u ${get('at')} ${get('end')}) (then (loop $next
      ${[...read, set('product', load('at', AT.product))].join('\n      ')}
      ${rowPair.flatMap((row) => [element(row), addToSum(row), addToProduct(row), advance(`row${row}`, 16)]).join('\n      ')}
      (v128.store offset=${AT.product} ${get('at')} ${get('product')})
      ${advance('at', BLOCK)}
      (br_if $next (i32.lt_u ${get('at')} ${get('end')})))))
    ${read.join('\n    ')}
    ${rowPair.flatMap((row) => [element(row), addToSum(row)]).join('\n    ')}
    ${rowPair.map((row) => `(f64.store offset=${AT.product + 8 * row} ${get('end')} ${lanes(`sum${row}`)})`).join('\n    ')}
    ${set('row0', `(i32.add ${get('row1')} (i32.const 16))`)}
    ${advance('end', BLOCK)}
    (br_if $block (i32.lt_u ${get('end')} ${get('last')}))))`;
}

/** Vectors of two updates at a time, in the order of the panel: those along a row, then those that they are scaled by. */
const along = numbered('along', 4);
const scaledBy = numbered('factor', 4);

/** `A ← A + Σ factor·alongᵀ` over four pairs of vectors, in the blocks from `row0` and `end` on. */
const add = `
  (func (export "add") ${parameters('i32', ['row0', 'panel', 'end', 'last'])}
    (local $row1 i32) (local $bytes i32) (local $at i32)
    ${vectors([...along, ...rowPair.flatMap((row) => scaledBy.map((name) => `${name}${row}`))])}
    ${set('bytes', `(i32.shr_u (i32.sub ${get('end')} ${get('panel')}) (i32.const 3))`)}
    (loop $block
    ${advance('bytes', 16)}
    ${set('row1', `(i32.add ${get('row0')} ${get('bytes')})`)}
    ${rowPair
      .flatMap((row) => scaledBy.map((name, k) => set(`${name}${row}`, splat('end', 64 + 16 * k + 8 * row))))
      .join('\n    ')}
    ${set('at', get('panel'))}
    (loop $next
      ${along.map((name, k) => set(name, load('at', 16 * k))).join('\n      ')}
      ${rowPair
        .flatMap((row) => {
          const terms = along.map((name, k) => times(get(`${scaledBy[k]}${row}`), get(name)));
          const sum = plus(plus(terms[0], terms[1]), plus(terms[2], terms[3]));
          return [
            `(v128.store ${get(`row${row}`)} ${plus(load(`row${row}`), sum)})`,
            advance(`row${row}`, 16),
          ];
        })
        .join('\n      ')}
      ${advance('at', BLOCK)}
      (br_if $next (i32.le_u ${get('at')} ${get('end')})))
    ${set('row0', get('row1'))}
    ${advance('end', BLOCK)}
    (br_if $block (i32.lt_u ${get('end')} ${get('last')}))))`;

/** The whole module; its memory is imported. */
export const symmetricText = `(module
  (import "host" "memory" (memory 1))
${[pass('update', true), pass('multiply', false), add].join('\n')})
`;
