// Kernels of src/core/kernels/simdMatrices.ts on float32 matrices, row by row. Pointers and strides are in bytes; numbers of
// rows are multiples of 4, of columns multiples of 8, except where it says otherwise.
import { get, numbered, parameters, set, vectors } from './wat.js';

/** @param {string} a @param {string} b */
const add = (a, b) => `(i32.add ${a} ${b})`;
/** Bytes of so many numbers. @param {string} count */
const bytes = (count) => `(i32.shl ${count} (i32.const 2))`;
/** @param {string} name @param {string} by */
const advance = (name, by) => set(name, add(get(name), by));
/** @param {number} count */
const constant = (count) => `(i32.const ${count})`;
/** @param {readonly string[]} names */
const integers = (names) => names.map((name) => `(local $${name} i32)`).join(' ');
/** @param {string} name */
const clear = (name) => set(name, '(v128.const i32x4 0 0 0 0)');
/** @param {string} a @param {string} b */
const plus = (a, b) => `(f32x4.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f32x4.mul ${a} ${b})`;
/** @param {string} pointer */
const load = (pointer, offset = 0) => `(v128.load offset=${offset} ${get(pointer)})`;
/** @param {string} pointer @param {string} value */
const store = (pointer, value, offset = 0) => `(v128.store offset=${offset} ${get(pointer)} ${value})`;
/** @param {string} label @param {string} pointer @param {string} end */
const again = (label, pointer, end) => `(br_if $${label} (i32.lt_u ${get(pointer)} ${get(end)}))`;

/** @param {string} value */
const splat = (value) => `(f32x4.splat ${value})`;

/** Rows, and columns in vectors of 4, of a block of a product: its sums fill half of the registers of x86. */
const ROWS = 4;
const VECTORS = 2;

/**
 * C = AB, A `[m, k]`, B `[k, n]`; A's elements lie `row` bytes from one row to the next and `term` from one column to the
 * next, so that it may be a transposed matrix. With `lower`, blocks above the diagonal are left out, and C becomes
 * βC + rest·AB. 8 columns of B stay in the first cache while all of A passes.
 */
const product = (() => {
  const sums = numbered('sum', ROWS * VECTORS);
  const columns = numbered('b', VECTORS);
  const rows = numbered('a', ROWS);
  const step = [
    ...columns.map((column, v) => set(column, load('bp', 16 * v))),
    ...rows.map((pointer, row) =>
      [
        set('av', `(v128.load32_splat ${get(pointer)})`),
        ...columns.map((column, v) => {
          const sum = sums[VECTORS * row + v];
          return set(sum, plus(get(sum), times(get('av'), get(column))));
        }),
        advance(pointer, get('term')),
      ].join(' '),
    ),
    advance('bp', get('ldb')),
  ];
  /** @param {(sum: string, offset: number) => string} value */
  const keep = (value) =>
    rows
      .map((_, row) =>
        [
          ...columns.map((_column, v) => store('cp', value(sums[VECTORS * row + v], 16 * v), 16 * v)),
          advance('cp', get('ldc')),
        ].join(' '),
      )
      .join('\n    ');
  const blended = keep((sum, offset) =>
    plus(times(get('betas'), load('cp', offset)), times(get('rests'), get(sum))),
  );
  const pointers = ['a', 'row', 'term', 'b', 'ldb', 'c', 'ldc', 'm', 'n', 'k', 'lower'];
  return `
  (func (export "product32") ${parameters('i32', pointers)} ${parameters('f32', ['beta', 'rest'])}
    ${integers(['i', 'j', 'bp', 'end', 'cp', ...rows])}
    ${vectors(['av', 'betas', 'rests', ...columns, ...sums])}
    ${set('betas', splat(get('beta')))}
    ${set('rests', splat(get('rest')))}
    (loop $columns
    ${set('i', `(i32.and ${get('j')} (i32.sub (i32.const 0) ${get('lower')}))`)}
    (loop $rows
    ${sums.map(clear).join(' ')}
    ${set('a0', add(get('a'), `(i32.mul ${get('i')} ${get('row')})`))}
    ${rows
      .slice(1)
      .map((pointer, row) => set(pointer, add(get(rows[row]), get('row'))))
      .join(' ')}
    ${set('bp', add(get('b'), bytes(get('j'))))}
    ${set('end', add(get('bp'), `(i32.mul ${get('ldb')} ${get('k')})`))}
    (loop $terms
    ${step.join('\n    ')}
    ${again('terms', 'bp', 'end')})
    ${set('cp', add(get('c'), add(`(i32.mul ${get('i')} ${get('ldc')})`, bytes(get('j')))))}
    (if ${get('lower')} (then ${blended}) (else ${keep((sum) => get(sum))}))
    ${advance('i', constant(ROWS))}
    ${again('rows', 'i', 'm')})
    ${advance('j', constant(4 * VECTORS))}
    ${again('columns', 'j', 'n')}))`;
})();

/** Four of the eight numbers in two vectors. @param {string} a @param {string} b @param {number[]} lanes */
const shuffle = (a, b, lanes) =>
  `(i8x16.shuffle ${lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)).join(' ')} ${get(a)} ${get(b)})`;

/** B = Aᵀ, A `[m, n]`, in squares of 4 × 4; n may be a multiple of 4, too. */
const transpose = (() => {
  const rows = numbered('r', 4);
  const pairs = numbered('p', 4);
  return `
  (func (export "transpose32") ${parameters('i32', ['a', 'lda', 'b', 'ldb', 'm', 'n'])}
    ${integers(['i', 'j', 'ap', 'bp'])} ${vectors([...rows, ...pairs])}
    (loop $rows
    ${set('j', constant(0))}
    (loop $columns
    ${set('ap', add(get('a'), add(`(i32.mul ${get('i')} ${get('lda')})`, bytes(get('j')))))}
    ${rows.map((row) => `${set(row, load('ap'))} ${advance('ap', get('lda'))}`).join(' ')}
    ${set('p0', shuffle('r0', 'r1', [0, 4, 1, 5]))} ${set('p1', shuffle('r0', 'r1', [2, 6, 3, 7]))}
    ${set('p2', shuffle('r2', 'r3', [0, 4, 1, 5]))} ${set('p3', shuffle('r2', 'r3', [2, 6, 3, 7]))}
    ${set('bp', add(get('b'), add(`(i32.mul ${get('j')} ${get('ldb')})`, bytes(get('i')))))}
    ${[
      shuffle('p0', 'p2', [0, 1, 4, 5]),
      shuffle('p0', 'p2', [2, 3, 6, 7]),
      shuffle('p1', 'p3', [0, 1, 4, 5]),
      shuffle('p1', 'p3', [2, 3, 6, 7]),
    ]
      .map((row) => `${store('bp', row)} ${advance('bp', get('ldb'))}`)
      .join('\n    ')}
    ${advance('j', constant(4))}
    ${again('columns', 'j', 'n')})
    ${advance('i', constant(4))}
    ${again('rows', 'i', 'm')}))`;
})();

/** Moments of `n` numbers g, and Adam's direction in their place; a rest is 1 − β, which float32 cannot tell from β near 1; `scale1` and `scale2` correct the bias of the moments. */
const adam = (() => {
  const numbers = ['beta1', 'rest1', 'beta2', 'rest2', 'scale1', 'scale2', 'epsilon'];
  return `
  (func (export "adam32") ${parameters('i32', ['g', 'first', 'second', 'n'])} ${parameters('f32', numbers)}
    (local $end i32) ${vectors(['gv', 'mv', 'vv', ...numbers.map((name) => `${name}s`)])}
    ${numbers.map((name) => set(`${name}s`, splat(get(name)))).join(' ')}
    ${set('end', add(get('g'), bytes(get('n'))))}
    (loop $next
    ${set('gv', load('g'))}
    ${set('mv', plus(times(get('beta1s'), load('first')), times(get('rest1s'), get('gv'))))}
    ${set('vv', plus(times(get('beta2s'), load('second')), times(get('rest2s'), times(get('gv'), get('gv')))))}
    ${store('first', get('mv'))}
    ${store('second', get('vv'))}
    ${store(
      'g',
      `(f32x4.div ${times(get('mv'), get('scale1s'))}
        ${plus(`(f32x4.sqrt ${times(get('vv'), get('scale2s'))})`, get('epsilons'))})`,
    )}
    ${['g', 'first', 'second'].map((name) => advance(name, constant(16))).join(' ')}
    ${again('next', 'g', 'end')}))`;
})();

/** Two float64 numbers as float32, in the lower half. @param {string} value */
const narrow = (value) => `(f32x4.demote_f64x2_zero ${value})`;

/** Two numbers of a row, scaled. @param {number} offset */
const scaledPair = (offset) => narrow(`(f64x2.mul ${get('factors')} ${load('p', offset)})`);

/**
 * Rows of a matrix at `to`, `width` bytes apart: rows of float64 numbers at `from`, `stride` bytes apart, times `factor`.
 * Any number of columns.
 */
const loadRows = `
  (func (export "load32") ${parameters('i32', ['from', 'stride', 'to', 'width', 'rows', 'cols'])}
    ${parameters('f64', ['factor'])}
    ${integers(['p', 'q', 'end', 'whole'])} ${vectors(['factors'])}
    ${set('factors', `(f64x2.splat ${get('factor')})`)}
    (loop $rows
    ${set('p', get('from'))} ${set('q', get('to'))}
    ${set('end', add(get('p'), `(i32.shl ${get('cols')} (i32.const 3))`))}
    ${set('whole', add(get('p'), `(i32.shl (i32.and ${get('cols')} (i32.const -4)) (i32.const 3))`))}
    (block $odd (loop $fours
    (br_if $odd (i32.ge_u ${get('p')} ${get('whole')}))
    ${store('q', `(i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 ${scaledPair(0)} ${scaledPair(16)})`)}
    ${advance('p', constant(32))} ${advance('q', constant(16))}
    (br $fours)))
    (block $done (loop $ones
    (br_if $done (i32.ge_u ${get('p')} ${get('end')}))
    (f32.store ${get('q')} (f32.demote_f64 (f64.mul ${get('factor')} (f64.load ${get('p')}))))
    ${advance('p', constant(8))} ${advance('q', constant(4))}
    (br $ones)))
    ${advance('from', get('stride'))} ${advance('to', get('width'))}
    (br_if $rows (local.tee $rows (i32.sub ${get('rows')} (i32.const 1))))))`;

/** What `$s` takes a number to, rounded if `$rounds` is set. @param {string} target */
const moved = (target) => `
    ${set('s', `(f64x2.sub ${target} ${get('s')})`)}
    (if ${get('rounds')} (then ${set('s', `(f64x2.promote_low_f32x4 ${narrow(get('s'))})`)}))`;

/**
 * Moves rows of float64 numbers at `target` by s = rate·(d + decay·x), d in a matrix at `from`; `x` and `target` have rows
 * `stride` bytes apart, the matrix `width`. Returns the largest |s|, or NaN. Any number of columns.
 */
const moveRows = (() => {
  const measure = [
    set('most', `(f64x2.pmax ${get('most')} (f64x2.abs ${get('s')}))`),
    set('nan', `(v128.or ${get('nan')} (f64x2.ne ${get('s')} ${get('s')}))`),
  ].join(' ');
  const rates = `(f64x2.splat ${get('rate')})`;
  const step = (/** @type {string} */ d, /** @type {string} */ x) =>
    set('s', `(f64x2.mul ${rates} (f64x2.add ${d} (f64x2.mul ${get('decays')} ${x})))`);
  const pointers = ['p', 't', 'q'];
  return `
  (func (export "move32")
    ${parameters('i32', ['x', 'target', 'stride', 'from', 'width', 'rows', 'cols', 'rounds'])}
    ${parameters('f64', ['rate', 'decay'])} (result f64)
    ${integers([...pointers, 'whole'])} ${vectors(['s', 'most', 'nan', 'decays'])}
    ${set('decays', `(f64x2.splat ${get('decay')})`)}
    (loop $rows
    ${set('p', get('x'))} ${set('t', get('target'))} ${set('q', get('from'))}
    ${set('whole', add(get('p'), `(i32.shl (i32.and ${get('cols')} (i32.const -2)) (i32.const 3))`))}
    (block $odd (loop $pairs
    (br_if $odd (i32.ge_u ${get('p')} ${get('whole')}))
    ${step(`(f64x2.promote_low_f32x4 (v128.load64_zero ${get('q')}))`, load('p'))}
    ${measure}
    ${moved(load('t'))}
    ${store('t', get('s'))}
    ${advance('p', constant(16))} ${advance('t', constant(16))} ${advance('q', constant(8))}
    (br $pairs)))
    (if (i32.and ${get('cols')} (i32.const 1)) (then
    ${step(`(f64x2.splat (f64.promote_f32 (f32.load ${get('q')})))`, `(v128.load64_splat ${get('p')})`)}
    ${measure}
    ${moved(`(v128.load64_splat ${get('t')})`)}
    (v128.store64_lane 0 ${get('t')} ${get('s')})))
    ${advance('x', get('stride'))} ${advance('target', get('stride'))} ${advance('from', get('width'))}
    (br_if $rows (local.tee $rows (i32.sub ${get('rows')} (i32.const 1)))))
    (select (f64.const nan)
      (f64.max (f64x2.extract_lane 0 ${get('most')}) (f64x2.extract_lane 1 ${get('most')}))
      (v128.any_true ${get('nan')})))`;
})();

/** The sum of the lanes, in all of them. @param {string} sum */
const total = (sum) =>
  splat(`(f32.add
      (f32.add (f32x4.extract_lane 0 ${get(sum)}) (f32x4.extract_lane 1 ${get(sum)}))
      (f32.add (f32x4.extract_lane 2 ${get(sum)}) (f32x4.extract_lane 3 ${get(sum)})))`);

/**
 * Applies I − uuᵀ to `count` rows, any number of them, of which 4 are taken at a time: the rows after the last are
 * changed, too. `n`, a multiple of 4, numbers of each row, from `rows` on.
 */
const reflect = (() => {
  const rows = numbered('r', 4);
  const sums = numbered('sum', 4);
  const start = [
    set('at', get('u')),
    ...rows.map((row, k) => set(row, k === 0 ? get('rows') : add(get(rows[k - 1]), get('stride')))),
  ];
  const next = ['at', ...rows].map((name) => advance(name, constant(16))).join(' ');
  return `
  (func $reflect ${parameters('i32', ['u', 'rows', 'stride', 'count', 'n'])}
    ${integers(['at', 'end', 'last', ...rows])} ${vectors(['uv', ...sums])}
    ${set('end', add(get('u'), bytes(get('n'))))}
    ${set('last', add(get('rows'), `(i32.mul ${get('stride')} ${get('count')})`))}
    (loop $group
    ${start.join(' ')}
    ${sums.map(clear).join(' ')}
    (loop $along
    ${set('uv', load('at'))}
    ${rows.map((row, k) => set(sums[k], plus(get(sums[k]), times(get('uv'), load(row))))).join('\n    ')}
    ${next}
    ${again('along', 'at', 'end')})
    ${sums.map((sum) => set(sum, total(sum))).join('\n    ')}
    ${start.join(' ')}
    (loop $change
    ${set('uv', load('at'))}
    ${rows.map((row, k) => store(row, `(f32x4.sub ${load(row)} ${times(get(sums[k]), get('uv'))})`)).join('\n    ')}
    ${next}
    ${again('change', 'at', 'end')})
    ${advance('rows', `(i32.shl ${get('stride')} (i32.const 2))`)}
    ${again('group', 'rows', 'last')}))`;
})();

/** Half of a vector in double precision. @param {string} vector @param {number} half */
const promoted = (vector, half) =>
  `(f64x2.promote_low_f32x4 ${half === 0 ? get(vector) : shuffle(vector, vector, [2, 3, 2, 3])})`;

/**
 * Puts u with ‖u‖² = 2 into a row from element k on, and zeros before it; I − uuᵀ takes what was there to a multiple of e₁.
 * What is too small for its scale counts as 0.
 */
const reflector = (() => {
  const squares = [0, 1].map((half) =>
    set('sum', `(f64x2.add ${get('sum')} (f64x2.mul ${promoted('v', half)} ${promoted('v', half)}))`),
  );
  return `
  (func $reflector ${parameters('i32', ['row', 'k', 'end'])}
    ${integers(['at', 'first', 'p'])} ${vectors(['v', 'sum'])}
    (local $length f64) (local $head f64) (local $scale f64)
    ${set('first', add(get('row'), bytes(get('k'))))}
    ${set('at', get('row'))}
    (block $cleared (loop $clear
    (br_if $cleared (i32.ge_u ${get('at')} ${get('first')}))
    (f32.store ${get('at')} (f32.const 0))
    ${advance('at', constant(4))}
    (br $clear)))
    ${set('at', add(get('row'), `(i32.and ${bytes(get('k'))} (i32.const -16))`))}
    ${set('p', get('at'))}
    (loop $measure
    ${set('v', load('p'))}
    ${squares.join(' ')}
    ${advance('p', constant(16))}
    ${again('measure', 'p', 'end')})
    ${set('length', `(f64.sqrt (f64.add (f64x2.extract_lane 0 ${get('sum')}) (f64x2.extract_lane 1 ${get('sum')})))`)}
    ${set('head', `(f64.promote_f32 (f32.load ${get('first')}))`)}
    ${set('head', `(f64.add ${get('head')} (f64.copysign ${get('length')} ${get('head')}))`)}
    (if (f64.gt ${get('length')} (f64.const 1e-30)) (then
    ${set('scale', `(f64.div (f64.const 1) (f64.sqrt (f64.mul ${get('length')} (f64.abs ${get('head')}))))`)}))
    ${set('v', `(f32x4.splat (f32.demote_f64 ${get('scale')}))`)}
    ${set('p', get('at'))}
    (loop $scaled
    ${store('p', times(load('p'), get('v')))}
    ${advance('p', constant(16))}
    ${again('scaled', 'p', 'end')})
    (f32.store ${get('first')} (f32.demote_f64 (f64.mul ${get('head')} ${get('scale')}))))`;
})();

/**
 * Orthonormal rows that span what the rows at `from` do, at `to`; `size` of them, `stride` apart. Changes the 3 rows after
 * the last one, too.
 */
const orthonormalize = (() => {
  /** Applies the reflector in row k to rows at a place. @param {string} place @param {string} row @param {string} count */
  const reflect = (place, row, count) => `
    ${set('start', `(i32.and ${bytes(get('k'))} (i32.const -16))`)}
    (call $reflect ${add(get('u'), get('start'))}
      ${add(add(get(place), `(i32.mul ${get('stride')} ${row})`), get('start'))}
      ${get('stride')} ${count} (i32.shr_u (i32.sub ${get('stride')} ${get('start')}) (i32.const 2)))`;
  const next = add(get('k'), constant(1));
  const remaining = `(i32.sub ${get('size')} ${get('k')})`;
  return `
  (func (export "orthonormalize32") ${parameters('i32', ['from', 'to', 'size', 'stride'])}
    ${integers(['k', 'u', 'start'])}
    ${set('u', get('from'))}
    (block $last (loop $reflectors
    (call $reflector ${get('u')} ${get('k')} ${add(get('u'), get('stride'))})
    (br_if $last (i32.ge_u ${next} ${get('size')}))
    ${reflect('from', next, `(i32.sub ${remaining} (i32.const 1))`)}
    ${advance('k', constant(1))}
    ${advance('u', get('stride'))}
    (br $reflectors)))
    (loop $back
    ${reflect('to', get('k'), remaining)}
    ${set('u', `(i32.sub ${get('u')} ${get('stride')})`)}
    (br_if $back (i32.ge_s (local.tee $k (i32.sub ${get('k')} (i32.const 1))) (i32.const 0)))))`;
})();

/** The whole module; its memory is imported. */
export const matricesText = `(module
  (import "host" "memory" (memory 1))
${[product, transpose, adam, loadRows, moveRows, reflect, reflector, orthonormalize].join('\n')})
`;
