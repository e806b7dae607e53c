import { normInf, scaleInto } from '../core/vector.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { Curvature } from './curvature.ts';
import { initialBy, scalingBy, type LbfgsMemory, type LimitedMemoryOptions } from './limitedMemory.ts';
import { slotsOf } from './pairRing.ts';
import { twoLoop } from './twoLoop.ts';

/**
 * `out ← −H·gradient` in the space of the elements that are not held: of the pairs, too, these alone count, as if
 * the others were constants. Where that leaves no pair, −∇f, no element longer than 1. Held elements of `out` are 0.
 *
 * @param options - those of the estimate
 * @param held - indices, in order
 */
export function directionWithin(
  options: LimitedMemoryOptions,
  memory: LbfgsMemory,
  gradient: Float64Array,
  held: readonly number[],
  out: Float64Array,
): void {
  const { rows } = memory;
  const rho = new Float64Array(memory.rho.length);
  const slots = slotsOf(memory).filter((i) => {
    const whole = 1 / memory.rho[i];
    const sy = whole - productOver(held, rows[2 * i], rows[2 * i + 1]);
    rho[i] = 1 / sy;
    return sy > LEAST_PART * whole;
  });
  scaleInto(-1, gradient, out);
  for (const i of held) out[i] = 0;
  if (slots.length === 0) return scaleInto(Math.min(1, 1 / normInf(out)), out, out);
  const first = slots[options.selfScaling ? slots.length - 1 : 0];
  const asWhole = held.length === 0 || options.preconditioner !== undefined;
  const gamma = asWhole
    ? memory.gamma[first]
    : scalingBy(options)(sumsWithin(rows[2 * first], rows[2 * first + 1], held));
  twoLoop(memory, { slots, rho, held, initial: initialBy(options, memory, gamma) }, out);
}

/** A pair with less than this part of its curvature in the free elements tells of the held ones. */
const LEAST_PART = 2 ** -26;

/** sᵀy over the elements of these indices. */
function productOver(indices: readonly number[], s: Row, y: Row): number {
  let sum = 0;
  for (const i of indices) sum += s[i] * y[i];
  return sum;
}

/**
 * sᵀy, yᵀy and sᵀs over the elements that are not held.
 *
 * @param held - their indices, in order
 */
function sumsWithin(s: Row, y: Row, held: readonly number[]): Curvature {
  const sums = { sy: 0, yy: 0, ss: 0 };
  let next = 0;
  for (let i = 0; i < s.length; i++) {
    if (held[next] === i) next++;
    else {
      sums.sy += s[i] * y[i];
      sums.yy += y[i] * y[i];
      sums.ss += s[i] * s[i];
    }
  }
  return sums;
}
