import { normInf, scaleInto } from '../core/vector.ts';
import { isCurved, sumsWithin } from './curvature.ts';
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
  const { selfScaling = false, preconditioner } = options;
  const scalingOf = scalingBy(options);
  const rho = new Float64Array(memory.rho.length);
  const slots: number[] = [];
  const gammas: number[] = [];
  for (const i of slotsOf(memory)) {
    const sums = sumsWithin(rows[2 * i], rows[2 * i + 1], held);
    if (!isCurved(sums)) continue;
    slots.push(i);
    gammas.push(preconditioner === undefined ? scalingOf(sums) : memory.gamma[i]);
    rho[i] = 1 / sums.sy;
  }
  scaleInto(-1, gradient, out);
  for (const i of held) out[i] = 0;
  if (slots.length === 0) return scaleInto(Math.min(1, 1 / normInf(out)), out, out);
  const gamma = gammas[selfScaling ? gammas.length - 1 : 0];
  twoLoop(memory, { slots, rho, held, initial: initialBy(options, memory, gamma) }, out);
}
