// Kernels of src/core/kernels/vectorMemory.ts on float64 vectors: steps of first-order methods, element by element, in the
// order of operations of the loops in src/core/kernels/elementwise.ts. `n` is even, except for `dot` and `normInf`, where it
// is a multiple of 8.
import { dot, normInf } from './kernels.wat.js';
import { get, parameters, set, vectors } from './wat.js';

/** @param {string} a @param {string} b */
const plus = (a, b) => `(f64x2.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const minus = (a, b) => `(f64x2.sub ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f64x2.mul ${a} ${b})`;
/** @param {string} pointer */
const load = (pointer) => `(v128.load ${get(pointer)})`;
/** @param {string} pointer @param {string} value */
const store = (pointer, value) => `(v128.store ${get(pointer)} ${value})`;
/** @param {readonly string[]} names */
const advance = (names) => names.map((name) => set(name, `(i32.add ${get(name)} (i32.const 16))`)).join(' ');

/** The value, or where `$rounds` is set the nearest float32. @param {string} name */
const rounded = (name) => `(if ${get('rounds')} (then
      ${set(name, `(f64x2.promote_low_f32x4 (f32x4.demote_f64x2_zero ${get(name)}))`)}))`;

/** Takes absolute values into the largest so far; NaN has a mask of its own, since `pmax` passes it over. */
const measure = (/** @type {string} */ value) =>
  [
    set('most', `(f64x2.pmax ${get('most')} (f64x2.abs ${value}))`),
    set('nan', `(v128.or ${get('nan')} (f64x2.ne ${value} ${value}))`),
  ].join(' ');

/** The largest of all, or NaN. */
const largest = `(select (f64.const nan)
      (f64.max (f64x2.extract_lane 0 ${get('most')}) (f64x2.extract_lane 1 ${get('most')}))
      (v128.any_true ${get('nan')}))`;

/**
 * A function of pointers and numbers that loops over `n` elements.
 *
 * @param {{ name: string, pointers: string[], flags?: string[], numbers: string[], locals: string[], body: string[], result?: string }} parts
 */
const elementwise = ({ name, pointers, flags = [], numbers, locals, body, result }) => `
  (func (export "${name}") ${parameters('i32', [...pointers, 'n', ...flags])} ${parameters('f64', numbers)}
    ${result ? '(result f64)' : ''}
    (local $end i32) ${vectors([...locals, ...numbers.map((number) => `${number}s`)])}
    ${numbers.map((number) => set(`${number}s`, `(f64x2.splat ${get(number)})`)).join(' ')}
    ${set('end', `(i32.add ${get(pointers[0])} (i32.shl ${get('n')} (i32.const 3)))`)}
    (block $done (loop $next
    (br_if $done (i32.ge_u ${get(pointers[0])} ${get('end')}))
    ${body.join('\n    ')}
    ${advance(pointers)}
    (br $next)))
    ${result ?? ''})`;

/** See `adamStep`. */
const adam = elementwise({
  name: 'adam',
  pointers: ['x', 'gradient', 'base', 'first', 'second', 'largest'],
  flags: ['amsgrad', 'rounds'],
  numbers: ['clip', 'beta1', 'rest1', 'beta2', 'rest2', 'scale1', 'scale2', 'epsilon', 'shrink'],
  locals: ['g', 'm', 'v', 's', 'most', 'nan'],
  body: [
    set('g', times(get('clips'), load('gradient'))),
    set('m', plus(times(get('beta1s'), load('first')), times(get('rest1s'), get('g')))),
    set('v', plus(times(get('beta2s'), load('second')), times(times(get('rest2s'), get('g')), get('g')))),
    store('first', get('m')),
    store('second', get('v')),
    `(if ${get('amsgrad')} (then
      ${set('v', `(f64x2.max ${load('largest')} ${get('v')})`)}
      ${store('largest', get('v'))}))`,
    set(
      's',
      plus(
        `(f64x2.div ${times(get('scale1s'), get('m'))}
        ${plus(times(get('scale2s'), `(f64x2.sqrt ${get('v')})`), get('epsilons'))})`,
        times(get('shrinks'), load('x')),
      ),
    ),
    measure(get('s')),
    set('s', minus(load('base'), get('s'))),
    rounded('s'),
    store('base', get('s')),
  ],
  result: largest,
});

/** `$to ← base + β(average − base)`, rounded. @param {string} to @param {string} base @param {string} average */
const between = (to, base, average) =>
  `${set(to, plus(base, times(get('betas'), minus(average, base))))} ${rounded(to)}`;

/** See `followShift`. */
const shift = elementwise({
  name: 'shift',
  pointers: ['y', 'base', 'average'],
  flags: ['rounds'],
  numbers: ['beta'],
  locals: ['s'],
  body: [
    between('s', load('base'), load('average')),
    set('s', minus(load('y'), get('s'))),
    store('base', plus(load('base'), get('s'))),
    store('average', plus(load('average'), get('s'))),
  ],
});

/** See `averageBase`. */
const average = elementwise({
  name: 'average',
  pointers: ['y', 'base', 'average'],
  flags: ['rounds'],
  numbers: ['beta', 'share'],
  locals: ['z', 'mean', 's', 'most', 'nan', 'change'],
  body: [
    set('z', load('base')),
    set('mean', load('average')),
    set('mean', plus(get('mean'), times(get('shares'), minus(get('z'), get('mean'))))),
    store('average', get('mean')),
    between('s', get('z'), get('mean')),
    set('change', minus(get('s'), load('y'))),
    measure(get('change')),
    store('y', get('s')),
  ],
  result: largest,
});

/** The whole module; its memory is imported. */
export const vectorsText = `(module
  (import "host" "memory" (memory 1))
${[dot, normInf, adam, shift, average].join('\n')})
`;
