// The kernels of src/core/kernels/simd.ts, which documents them, in WebAssembly text.
//
// The text format has no macros; functions take their place: `load` reads two numbers of a row that stores each number
// in 8 or 4 bytes. Lengths are multiples of 8. Sums have two lanes, `dot` has four; the loops in plain.ts and vector.ts
// add in the same order.

import { get, numbered, parameters, set, vectors } from './wat.js';

/** Number of rows processed at a time: the registers of x86 hold this many sums. */
const ROWS = 5;

const rows = numbered('r', ROWS);

/** @param {number} bytes */
export const advance = (bytes) => (/** @type {string} */ name) =>
  set(name, `(i32.add ${get(name)} (i32.const ${bytes}))`);

/** Loads the two numbers at `2·index` after the pointer. @param {number} width @param {string} pointer */
export const load = (width, pointer, index = 0) =>
  width === 8
    ? `(v128.load offset=${16 * index} ${get(pointer)})`
    : `(f64x2.promote_low_f32x4 (v128.load64_zero offset=${8 * index} ${get(pointer)}))`;

/** Stores two numbers there. @param {number} width @param {string} pointer @param {string} value */
export const store = (width, pointer, value, index = 0) =>
  width === 8
    ? `(v128.store offset=${16 * index} ${get(pointer)} ${value})`
    : `(v128.store64_lane offset=${8 * index} 0 ${get(pointer)} (f32x4.demote_f64x2_zero ${value}))`;

/** Rounds two numbers as storing them does. @param {number} width @param {string} value */
const asStored = (width, value) =>
  width === 8 ? value : `(f64x2.promote_low_f32x4 (f32x4.demote_f64x2_zero ${value}))`;

/** @param {string} a @param {string} b */
export const plus = (a, b) => `(f64x2.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const minus = (a, b) => `(f64x2.sub ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f64x2.mul ${a} ${b})`;

/** @param {string} sum @param {string} a @param {string} b */
export const accumulate = (sum, a, b) => set(sum, plus(get(sum), times(a, b)));

/** @param {string} sum */
const lanes = (sum) => `(f64.add (f64x2.extract_lane 0 ${get(sum)}) (f64x2.extract_lane 1 ${get(sum)}))`;

/** Adds a number to the one at `$results + 8·index`. @param {string} value @param {number} index */
const addTo = (value, index) =>
  `(f64.store offset=${8 * index} ${get('results')} (f64.add (f64.load offset=${8 * index} ${get('results')}) ${value}))`;

/** Adds both lanes of `sum` to it. @param {string} sum @param {number} index */
const addLanes = (sum, index) => addTo(lanes(sum), index);

/** Keeps the larger absolute values; ignores NaN. @param {string} max @param {string} value */
const largest = (max, value) => set(max, `(f64x2.pmax ${get(max)} (f64x2.abs ${value}))`);

/** Raises the two numbers at `$results + 8·index`. @param {string} max @param {number} index */
const keepLargest = (max, index) =>
  `(v128.store offset=${8 * index} ${get('results')}
      (f64x2.pmax ${get(max)} (v128.load offset=${8 * index} ${get('results')})))`;

/**
 * A loop that runs over numbers until `counter`, a pointer that its body advances, has come to `$end`.
 *
 * @param {string} counter
 * @param {readonly string[]} body
 */
export const loop = (counter, body) => `(loop $next
    ${body.join('\n    ')}
    (br_if $next (i32.lt_u ${get(counter)} ${get('end')})))`;

/**
 * Numbers of steps in a turn of the long loops by the bytes of a stored number; they divide the padding. The float32
 * kernels, which few runs need, are kept smaller.
 *
 * @type {Readonly<Record<number, number>>}
 */
const STEPS = { 8: 4, 4: 2 };

/**
 * A {@link loop} over two numbers per step, of several steps per turn that share the arithmetic on pointers.
 *
 * V8 moves all loads of a block ahead of what they are used for. Tests that are never true divide a turn into blocks, so
 * that the sums and the numbers of one step fit into the registers.
 *
 * @param {number} count - number of steps per turn
 * @param {string} counter
 * @param {(index: number) => readonly string[]} step
 * @param {readonly (readonly [names: readonly string[], bytes: number])[]} pointers - with the bytes of a step, 16 for the counter
 */
const steps = (count, counter, step, pointers) => `(block $done
    ${loop(counter, [
      ...Array.from({ length: count }, (_, index) =>
        [
          ...(index === 0
            ? []
            : [`(br_if $done (i32.eq ${get(counter)} (i32.sub ${get('end')} (i32.const ${16 * index}))))`]),
          ...step(index),
        ].join('\n    '),
      ),
      ...pointers.flatMap(([names, bytes]) => names.map(advance(count * bytes))),
    ])})`;

/** @param {string} start - a pointer to 8-byte numbers */
const setEnd = (start) => set('end', `(i32.add ${get(start)} (i32.shl ${get('n')} (i32.const 3)))`);

/**
 * A function of one loop over `n` numbers.
 *
 * @param {{ name: string, parameters: string, locals?: string, before?: string, counter: string, turns: string, after?: string }} parts - `turns` is the loop
 */
const kernel = ({ name, parameters, locals = '', before = '', counter, turns, after = '' }) => `
  (func $${name} (export "${name}") ${parameters} (param $n i32)
    (local $end i32) ${locals}
    ${setEnd(counter)}
    ${before}
    ${turns}
    ${after})`;

/**
 * A function that does the same for each group of rows in turn: `count` pointers lie from `rows` on, and each row is
 * taken from `skip` bytes on.
 *
 * @param {{ name: string, parameters: string, locals: string, before?: string, start: string, group: readonly string[], after?: string }} parts - `group` is what is done, with the pointers `r0`, `r1`, …, for the `n` numbers of `start`
 */
const grouped = ({ name, parameters: more, locals, before = '', start, group, after = '' }) => `
  (func (export "${name}") ${parameters('i32', ['rows', 'count', 'skip'])} ${more} (param $n i32)
    (local $last i32) (local $end i32) (local $at i32) ${rows.map((row) => `(local $${row} i32)`).join(' ')} ${locals}
    ${set('last', `(i32.add ${get('rows')} (i32.shl ${get('count')} (i32.const 2)))`)}
    ${setEnd(start)}
    ${before}
    (loop $group
    ${rows.map((row, k) => set(row, `(i32.add (i32.load offset=${4 * k} ${get('rows')}) ${get('skip')})`)).join('\n    ')}
    ${set('at', get(start))}
    ${group.join('\n    ')}
    ${advance(4 * ROWS)('rows')}
    (br_if $group (i32.lt_u ${get('rows')} ${get('last')})))
    ${after})`;

/** @param {number} width */
function project(width) {
  const sums = numbered('sum', ROWS);
  return grouped({
    name: `project${width}`,
    parameters: parameters('i32', ['v', 'results']),
    locals: vectors(['vv', ...sums]),
    start: 'v',
    group: [
      ...sums.map((sum) => set(sum, '(i32x4.splat (i32.const 0))')),
      steps(
        STEPS[width],
        'at',
        (index) => [
          set('vv', load(8, 'at', index)),
          ...rows.map((row, k) => accumulate(sums[k], load(width, row, index), get('vv'))),
        ],
        [
          [rows, 2 * width],
          [['at'], 16],
        ],
      ),
      ...sums.map(addLanes),
      advance(8 * ROWS)('results'),
    ],
  });
}

/** @param {number} width */
function combine(width) {
  const factors = numbered('f', ROWS);
  return grouped({
    name: `combine${width}`,
    parameters: `${parameters('i32', ['factors'])} (param $c f64) ${parameters('i32', ['g', 'out', 'results', 'x', 'trial'])}`,
    locals: `(local $whole i32) ${vectors(['cv', ...factors])}`,
    before: set('whole', get('g')),
    // gᵀout, added to the result.
    after: `(if ${get('trial')}
      (then (call $step ${['whole', 'out', 'x', 'trial', 'results', 'n'].map(get).join(' ')}))
      (else (call $dot ${['whole', 'out', 'results', 'n'].map(get).join(' ')})))`,
    start: 'out',
    group: [
      set('cv', `(f64x2.splat ${get('c')})`),
      ...factors.map((factor, k) =>
        set(factor, `(f64x2.splat (f64.load offset=${8 * k} ${get('factors')}))`),
      ),
      steps(
        STEPS[width],
        'at',
        (index) => [
          store(
            8,
            'at',
            rows.reduce(
              (sum, row, k) => plus(sum, times(get(factors[k]), load(width, row, index))),
              times(get('cv'), load(8, 'g', index)),
            ),
            index,
          ),
        ],
        [
          [rows, 2 * width],
          [['g', 'at'], 16],
        ],
      ),
      // The next group adds to what is there.
      set('g', get('out')),
      set('c', '(f64.const 1)'),
      advance(8 * ROWS)('factors'),
    ],
  });
}

/** @param {number} width */
const record = (width) =>
  kernel({
    name: `record${width}`,
    parameters: parameters('i32', ['x', 'trial', 'g', 'trialG', 's', 'y', 'results']),
    locals: vectors(['hv', 'sv', 'yv', 'sy', 'yy', 'ss', 'sg', 'yg', 'sInf', 'gInf']),
    counter: 'x',
    turns: steps(
      STEPS[width],
      'x',
      (index) => [
        set('sv', asStored(width, minus(load(8, 'trial', index), load(8, 'x', index)))),
        set('hv', load(8, 'trialG', index)),
        set('yv', asStored(width, minus(get('hv'), load(8, 'g', index)))),
        accumulate('sy', get('sv'), get('yv')),
        accumulate('yy', get('yv'), get('yv')),
        accumulate('ss', get('sv'), get('sv')),
        accumulate('sg', get('sv'), get('hv')),
        accumulate('yg', get('yv'), get('hv')),
        largest('sInf', get('sv')),
        largest('gInf', get('hv')),
        store(width, 's', get('sv'), index),
        store(width, 'y', get('yv'), index),
      ],
      [
        [['x', 'trial', 'g', 'trialG'], 16],
        [['s', 'y'], 2 * width],
      ],
    ),
    after: [
      ...['sy', 'yy', 'ss', 'sg', 'yg'].map(addLanes),
      // Each maximum has two lanes.
      keepLargest('sInf', 5),
      keepLargest('gInf', 7),
    ].join('\n    '),
  });

/** With two vectors of sums, as `dot` of src/core/vector.ts has four. */
export const dot = kernel({
  name: 'dot',
  parameters: parameters('i32', ['p', 'q', 'results']),
  locals: vectors(['even', 'odd']),
  counter: 'p',
  turns: loop('p', [
    accumulate('even', load(8, 'p'), load(8, 'q')),
    accumulate('odd', load(8, 'p', 1), load(8, 'q', 1)),
    ...['p', 'q'].map(advance(32)),
  ]),
  after: addTo(`(f64.add ${lanes('even')} ${lanes('odd')})`, 0),
});

/** As `dot`, and `trial ← x + q`. */
const step = kernel({
  name: 'step',
  parameters: parameters('i32', ['p', 'q', 'x', 'trial', 'results']),
  locals: vectors(['qv', 'even', 'odd']),
  counter: 'p',
  turns: loop('p', [
    ...['even', 'odd'].flatMap((sum, index) => [
      set('qv', load(8, 'q', index)),
      accumulate(sum, load(8, 'p', index), get('qv')),
      store(8, 'trial', plus(load(8, 'x', index), get('qv')), index),
    ]),
    ...['p', 'q', 'x', 'trial'].map(advance(32)),
  ]),
  after: addTo(`(f64.add ${lanes('even')} ${lanes('odd')})`, 0),
});

const addScaled = kernel({
  name: 'addScaled',
  parameters: `${parameters('i32', ['x'])} ${parameters('f64', ['alpha'])} ${parameters('i32', ['s', 'out'])}`,
  locals: vectors(['factor']),
  before: set('factor', `(f64x2.splat ${get('alpha')})`),
  counter: 'x',
  turns: loop('x', [
    // Two at a time is a quarter faster.
    ...[0, 1].map((index) =>
      store(8, 'out', plus(load(8, 'x', index), times(get('factor'), load(8, 's', index))), index),
    ),
    ...['x', 's', 'out'].map(advance(32)),
  ]),
});

/** Lanes of the largest number; all bits set, a NaN, if there is a NaN: `pmax` is fast, but ignores NaN. */
export const normInf = kernel({
  name: 'normInf',
  parameters: parameters('i32', ['p', 'results']),
  locals: vectors(['v', 'even', 'odd', 'nan']),
  counter: 'p',
  turns: loop('p', [
    ...['even', 'odd'].map((max, index) =>
      [
        set('v', load(8, 'p', index)),
        largest(max, get('v')),
        set('nan', `(v128.or ${get('nan')} (f64x2.ne ${get('v')} ${get('v')}))`),
      ].join(' '),
    ),
    advance(32)('p'),
  ]),
  after: `(v128.store ${get('results')} (v128.or ${get('nan')} (f64x2.pmax ${get('even')} ${get('odd')})))`,
});

/** The whole module; its memory is imported. */
export const kernelsText = `(module
  (import "host" "memory" (memory 1))
${[
  ...[8, 4].flatMap((width) => [project(width), combine(width), record(width)]),
  addScaled,
  dot,
  step,
  normInf,
].join('\n')})
`;
