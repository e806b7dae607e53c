import { vectorBeside } from '../core/kernels/placement.ts';
import { KERNEL_LENGTH, type Storage } from '../core/kernels/rows.ts';
import { dot, scaleInto } from '../core/vector.ts';
import { biggsFactor, hasExactValues, isCurved, scalings } from './curvature.ts';
import type { ScalingName } from './curvature.ts';
import { DAMPED_CURVATURE, dampPair, slopeAlong } from './damping.ts';
import { gramDirection, gramOf, takeSlopes, type Gram } from './gram.ts';
import { keepPair, pairRing, recordPair, slotsOf, type PairRing } from './pairRing.ts';
import { twoLoop } from './twoLoop.ts';
import type { Descent, StepNorms } from './lineSearchSolver.ts';
import type { Setting } from '../core/solver.ts';
import type { LineState } from './searchAlong.ts';

/** The last m pairs, and what is known of each, by slot. */
export interface LbfgsMemory extends PairRing {
  /** Where n is large: with it the recursion does without vectors. */
  readonly gram: Gram | null;
  /** 1/sᵀy of each slot. */
  readonly rho: Float64Array;
  /** The scale γ of H₀ = γI that each slot's pair asks for. */
  readonly gamma: Float64Array;
  /** By what H was divided before each slot's pair was taken in; 1 without self-scaling. */
  readonly tau: Float64Array;
  /** Biggs's factor of each slot's pair; 1 without the modified secant equation. */
  readonly biggs: Float64Array;
  /** `[n]`, or empty where it is not needed. */
  readonly scratch: Float64Array;
  readonly modifiedSecant: boolean;
  /** True if the loss sees x rounded to float32. */
  readonly rounded: boolean;
}

/** What can be chosen about a limited-memory estimate. */
export interface LimitedMemoryOptions {
  /**
   * Learn curvature from the values of f too, not from its gradients alone.
   *
   * @defaultValue true in float64, false in float32 and on mini-batches, whose values are too noisy for it
   */
  readonly modifiedSecant?: boolean | undefined;
  /**
   * Divide H by τ = min(1, sᵀy/sᵀBs) before each pair, as `ssbfgs` does; H₀ is then scaled by the oldest
   * pair. With a memory of 100 and more it comes near to the dense method.
   *
   * @defaultValue `false`
   */
  readonly selfScaling?: boolean | undefined;
  /**
   * The scale γ of H₀ = γI: sᵀy/yᵀy (`'short'`), sᵀs/sᵀy (`'long'`), √(sᵀs/yᵀy) (`'geometric'`), or 1 (`'none'`).
   *
   * @defaultValue `'short'`
   */
  readonly initialScaling?: ScalingName | undefined;
  /**
   * `out ← P⁻¹·vector`, `[n]` each, P near to the Hessian and positive definite: H₀ is then γP⁻¹.
   *
   * @defaultValue none: P = I
   */
  readonly preconditioner?: ((vector: Float64Array, out: Float64Array) => void) | undefined;
  /**
   * Powell's damping: a pair with too little curvature is drawn towards what H expected of it, instead of
   * being left out. For losses that change from batch to batch.
   *
   * @defaultValue `false`
   */
  readonly damping?: boolean | undefined;
  /**
   * In how many bytes the pairs' numbers are stored: with `'float32'` they take half the memory and half the
   * time to read, and are known to 7 digits. Sums are float64 in any case. Not with a preconditioner.
   *
   * @defaultValue `'float32'` where the loss is float32 and has 256 unknowns or more, for more digits its gradients do
   * not have; else, and with bounds or a preconditioner, `'float64'`
   */
  readonly storage?: Storage | undefined;
}

/**
 * What directions are made of: the gradient, of which the pairs are made too; another vector in its place; or, with
 * `directionWithin` in the place of `direction`, those elements of it that are free.
 */
export type DirectionOf = 'gradient' | 'pseudoGradient' | 'freeElements';

/**
 * The limited-memory estimate of BFGS, applied by the two-loop recursion.
 *
 * @param memoryFor - number of pairs for n unknowns
 */
export function limitedMemory(
  memoryFor: (n: number) => number,
  options: LimitedMemoryOptions = {},
  directionOf: DirectionOf = 'gradient',
): Descent<LbfgsMemory> {
  const { modifiedSecant, selfScaling = false, preconditioner, damping = false } = options;
  const scalingOf = scalingBy(options);

  function update(memory: LbfgsMemory, step: LineState, alpha: number, led = step.gradient): StepNorms {
    const { rows, gram, next: slot } = memory;
    const y = rows[2 * slot + 1];
    if (gram?.newest) takeSlopes(memory, gram, step.gradient);
    const sums = recordPair(memory, step);
    const t = memory.modifiedSecant ? biggsFactor(step, sums) : 1;
    // B is not stored: s = −αHg gives Bs = −αg, with the g that led there.
    const sBs = damping || selfScaling ? -alpha * slopeAlong(step, led) : NaN;
    const damped = damping && t * sums.sy < DAMPED_CURVATURE * sBs;
    const pair = damped ? dampPair(sums, t, sBs, alpha, led, y) : sums;
    if (!isCurved(pair, y instanceof Float32Array ? FLOAT32_COSINE : undefined)) return sums;

    const { sy } = pair;
    memory.rho[slot] = 1 / sy;
    memory.biggs[slot] = damped ? 1 : t;
    memory.tau[slot] = selfScaling ? Math.min(1, (memory.biggs[slot] * sy) / sBs) : 1;
    if (gram) {
      const followed = directionOf === 'gradient' && led === step.gradient;
      gram.newest = followed ? pair : { ...pair, sg: NaN };
    }
    if (preconditioner === undefined) {
      memory.gamma[slot] = scalingOf(pair);
    } else {
      preconditioner(y as Float64Array, memory.scratch);
      memory.gamma[slot] = sy / dot(y as Float64Array, memory.scratch);
    }
    keepPair(memory);
    return sums;
  }

  /** `out ← −H·gradient`; `gradient` may be `out`. */
  function direction(memory: LbfgsMemory, gradient: Float64Array, out: Float64Array): number | void {
    const { gram, tau, biggs } = memory;
    const slots = slotsOf(memory);
    if (slots.length === 0) return scaleInto(-1, gradient, out);
    const gamma = memory.gamma[slots[selfScaling ? slots.length - 1 : 0]];
    if (gram) return gramDirection(memory, gram, tau, biggs, gamma, gradient, out);
    scaleInto(-1, gradient, out);
    twoLoop(memory, { slots, rho: memory.rho, held: [], initial: initialBy(options, memory, gamma) }, out);
  }

  const within = directionOf === 'freeElements';
  /** Whether H can be applied by the products of the pairs. */
  const byProducts = preconditioner === undefined && !within;

  function storageFor({ n, precision }: Setting): Storage {
    const single = byProducts && precision === 'float32' && n >= KERNEL_LENGTH;
    return options.storage ?? (single ? 'float32' : 'float64');
  }

  return {
    init(setting) {
      const m = memoryFor(setting.n);
      const storage = storageFor(setting);
      const large = setting.n >= KERNEL_LENGTH || storage === 'float32';
      const withScratch = preconditioner !== undefined || (storage === 'float32' && within);
      return {
        ...pairRing(setting.n, m, storage),
        gram: byProducts && large ? gramOf(m) : null,
        rho: new Float64Array(m + 1),
        gamma: new Float64Array(m + 1),
        tau: new Float64Array(m + 1),
        biggs: new Float64Array(m + 1),
        scratch: new Float64Array(withScratch ? setting.n : 0),
        modifiedSecant: modifiedSecant ?? hasExactValues(setting),
        rounded: setting.precision === 'float32',
      };
    },
    vector: ({ rows }) => vectorBeside(rows[0]),
    direction,
    update,
    forget(memory) {
      Object.assign(memory, { count: 0, next: 0 });
      if (memory.gram) memory.gram.newest = null;
    },
    isFresh: ({ count }) => count === 0,
  };
}

/** `out ← H₀·out`, as the options have it. */
export const initialBy =
  ({ preconditioner }: LimitedMemoryOptions, { scratch }: LbfgsMemory, gamma: number) =>
  (out: Float64Array): void => {
    if (preconditioner !== undefined) {
      preconditioner(out, scratch);
      out.set(scratch);
    }
    scaleInto(gamma, out, out);
  };

/** γ of a pair, as the options have it. */
export const scalingBy = ({ initialScaling = 'short' }: LimitedMemoryOptions) => scalings[initialScaling];

/** The cosine of s and y below which the rounding of a damped y to float32 could turn its sign. */
const FLOAT32_COSINE = 2 ** -22;
