// Kernel of src/adapters/tfjs/accelerate/adamStep.ts on float32 vectors, whose lengths are multiples of 4.
import { get, parameters, set, vectors } from './wat.js';

/** @param {string} a @param {string} b */
const plus = (a, b) => `(f32x4.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f32x4.mul ${a} ${b})`;
/** @param {string} pointer */
const load = (pointer) => `(v128.load ${get(pointer)})`;
/** @param {string} pointer @param {string} value */
const store = (pointer, value) => `(v128.store ${get(pointer)} ${value})`;

const pointers = ['p', 'g', 'm', 'v'];
/** See `LARGEST_GRADIENT` of adamStep.ts. */
const largest = '(f32x4.splat (f32.const 1.8e19))';
const smallest = '(f32x4.splat (f32.const -1.8e19))';
const numbers = ['beta1', 'rest1', 'beta2', 'rest2', 'unbias', 'step', 'epsilon'];
const splats = numbers.map((name) => `${name}s`);

/** g limited to ±1.8e19, m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − step·m/(√(unbias·v) + ε), on `n` numbers. */
export const adamText = `(module
  (import "host" "memory" (memory 1))
  (func (export "adam") ${parameters('i32', [...pointers, 'n'])} ${parameters('f32', numbers)}
    (local $end i32) ${vectors(['gv', 'mv', 'vv', ...splats])}
    ${numbers.map((name, k) => set(splats[k], `(f32x4.splat ${get(name)})`)).join(' ')}
    ${set('end', `(i32.add ${get('p')} (i32.shl ${get('n')} (i32.const 2)))`)}
    (loop $next
    ${set('gv', `(f32x4.max ${smallest} (f32x4.min ${largest} ${load('g')}))`)}
    ${set('mv', plus(times(get('beta1s'), load('m')), times(get('rest1s'), get('gv'))))}
    ${set('vv', plus(times(get('beta2s'), load('v')), times(times(get('rest2s'), get('gv')), get('gv'))))}
    ${store('m', get('mv'))}
    ${store('v', get('vv'))}
    ${store(
      'p',
      `(f32x4.sub ${load('p')} (f32x4.div ${times(get('steps'), get('mv'))}
        ${plus(`(f32x4.sqrt ${times(get('unbiass'), get('vv'))})`, get('epsilons'))}))`,
    )}
    ${pointers.map((name) => set(name, `(i32.add ${get(name)} (i32.const 16))`)).join(' ')}
    (br_if $next (i32.lt_u ${get('p')} ${get('end')})))))
`;
