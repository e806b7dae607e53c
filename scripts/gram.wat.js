// The kernel of src/core/kernels/gram.ts in WebAssembly text. Pointers and strides are in bytes.
import { accumulate, advance, load, loop, plus, store } from './kernels.wat.js';
import { get, numbered, parameters, set, vectors } from './wat.js';

/** Address of a row of the result of `gram`. @param {number} row */
const rowOfResult = (row) => `(i32.add ${get('out')} (i32.mul ${get('stride')} (i32.const ${row})))`;

/** Rows and columns of the blocks of `gram`, whose eight vectors of sums fill half of the registers. */
const BLOCK = 4;

/**
 * Adds products of panels, aᵀb, to a row of 4 × 4 blocks: a panel holds 4 numbers of each of `n` rows, one row after
 * the other. `count` panels lie from `b` on; `stride` is the length of a row of `out` in bytes.
 */
const gram = (() => {
  const sums = numbered('sum', 2 * BLOCK);
  const addSums = Array.from({ length: BLOCK }, (_, row) =>
    [
      set('row', rowOfResult(row)),
      ...[0, 1].map((half) => store(8, 'row', plus(load(8, 'row', half), get(sums[2 * row + half])), half)),
    ].join(' '),
  );
  return `
  (func (export "gram") ${parameters('i32', ['a', 'b', 'count', 'out', 'stride', 'n'])}
    (local $end i32) (local $last i32) (local $at i32) (local $row i32) ${vectors(['av', 'b0', 'b1', ...sums])}
    ${set('last', `(i32.add ${get('b')} (i32.mul ${get('count')} (i32.shl ${get('n')} (i32.const 5))))`)}
    ${set('end', `(i32.add ${get('a')} (i32.shl ${get('n')} (i32.const 5)))`)}
    (loop $block
    ${sums.map((sum) => set(sum, '(i32x4.splat (i32.const 0))')).join('\n    ')}
    ${set('at', get('a'))}
    ${loop('at', [
      set('b0', load(8, 'b', 0)),
      set('b1', load(8, 'b', 1)),
      ...Array.from({ length: BLOCK }, (_, row) =>
        [
          set('av', `(v128.load64_splat offset=${8 * row} ${get('at')})`),
          accumulate(sums[2 * row], get('av'), get('b0')),
          accumulate(sums[2 * row + 1], get('av'), get('b1')),
        ].join(' '),
      ),
      ...['at', 'b'].map(advance(8 * BLOCK)),
    ])}
    ${addSums.join('\n    ')}
    ${advance(8 * BLOCK)('out')}
    (br_if $block (i32.lt_u ${get('b')} ${get('last')}))))`;
})();

/** The whole module; its memory is imported. */
export const gramText = `(module
  (import "host" "memory" (memory 1))
${gram})
`;
