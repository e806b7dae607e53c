import { vectorBeside } from '../core/kernels/placement.ts';
import { dot, KERNEL_LENGTH, normInf, scaleInto } from '../core/vector.ts';
import { biggsFactor, hasExactValues, isCurved, scalings } from './curvature.ts';
import type { Curvature, ScalingName } from './curvature.ts';
import { DAMPED_CURVATURE, dampPair, slopeAlong } from './damping.ts';
import { freePairs, freeSums } from './freePairs.ts';
import { gramDirection, type PairFactors } from './gramDirection.ts';
import {
  clearPairs,
  endSlot,
  exchangeRows,
  gramOf,
  keepPair,
  pairRing,
  placeOver,
  recordPair,
  slotsOf,
  type PairRing,
} from './pairRing.ts';
import { twoLoop } from './twoLoop.ts';
import type { Ahead, Descent, LearnedStep, StepNorms } from './lineSearchSolver.ts';
import type { LineState } from './searchAlong.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { Precision } from '../core/problem.ts';
import type { Setting } from '../core/solver.ts';

/** The last m pairs, with their factors by slot. */
export interface LbfgsMemory extends PairRing, PairFactors {
  /** 1/sᵀy. */
  readonly rho: Float64Array;
  /** The scale γ of H₀ = γI computed from each pair. */
  readonly gamma: Float64Array;
  /** `[n]`, or empty if not needed. */
  readonly scratch: Float64Array;
  readonly modifiedSecant: boolean;
  /** True if the loss sees x rounded to float32. */
  readonly rounded: boolean;
}

/** Options of a limited-memory estimate. */
export interface LimitedMemoryOptions {
  /**
   * Learn curvature also from the values of f, not only from its gradients.
   *
   * @defaultValue true in float64, false in float32 and on mini-batches, whose values are too noisy for it
   */
  readonly modifiedSecant?: boolean | undefined;
  /**
   * Divide H by τ = min(1, sᵀy/sᵀBs) before each pair, as `ssbfgs` does; H₀ is then scaled by the oldest
   * pair. With a memory of 100 or more, it comes close to the dense method.
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
   * `out ← P⁻¹·vector`, `[n]` each, for a positive definite P that approximates the Hessian: H₀ is then γP⁻¹.
   *
   * @defaultValue none: P = I
   */
  readonly preconditioner?: ((vector: Float64Array, out: Float64Array) => void) | undefined;
  /**
   * Powell's damping: the y of a pair with too little curvature is moved toward the y that H predicts,
   * instead of skipping the pair. For losses that change from batch to batch.
   *
   * @defaultValue `false`
   */
  readonly damping?: boolean | undefined;
  /**
   * Number format of the stored pairs: `'float32'` takes half the memory and half the time to read, and keeps
   * 7 digits. Sums are always float64. Not available with a preconditioner.
   *
   * @defaultValue `'float32'` if the loss is float32, whose gradients have no more digits, and m·n ≥ 1.5e6, so that float64
   * pairs would not fit in the cache; otherwise, and with bounds or a preconditioner, `'float64'`
   */
  readonly storage?: Precision | undefined;
}

/**
 * The limited-memory BFGS estimate of the inverse Hessian, as a {@link Descent} that can leave out elements.
 */
export interface LimitedMemory extends Omit<Descent<LbfgsMemory>, 'apply'> {
  /**
   * `out ← −H·gradient`; `gradient` may be `out`.
   *
   * @param held - with bounds, indices of the elements to leave out, in order: H is that of the other
   *   elements, as if these were constants, and `out` is 0 there
   * @param ahead - the trial point may be computed along the way, if no elements are left out
   * @returns gradientᵀout, if it is computed along the way
   */
  apply(
    memory: LbfgsMemory,
    gradient: Float64Array,
    out: Float64Array,
    held?: readonly number[],
    ahead?: Ahead,
  ): number | void;
}

/** From this many elements of s on, pairs in float64 do not fit in the cache: reading them takes longer than widening float32. */
const CACHED = 1.5e6;

/** Smallest cosine between s and y: below it, rounding a damped y to float32 could turn the sign of sᵀy. */
const FLOAT32_COSINE = 2 ** -22;

/**
 * Creates the estimate.
 *
 * Long rows are applied through their inner products, in two passes with SIMD. Short rows use the two-loop
 * recursion, and so do rows with a preconditioner or bounds, whose inner products change with H₀ or the held
 * elements.
 *
 * @param memoryFor - number of pairs for n unknowns
 * @param bounded - true if `apply` must be able to leave out elements
 */
export function limitedMemory(
  memoryFor: (n: number) => number,
  options: LimitedMemoryOptions = {},
  bounded = false,
): LimitedMemory {
  const { selfScaling = false, damping = false, preconditioner, initialScaling = 'short' } = options;
  const byVectors = bounded || preconditioner !== undefined;
  const scalingOf = scalings[initialScaling];

  function init(setting: Setting): LbfgsMemory {
    const { n, precision } = setting;
    const m = memoryFor(n);
    const isLong = n >= KERNEL_LENGTH;
    const single = precision === 'float32' && m * n >= CACHED && !byVectors;
    const storage = options.storage ?? (single ? 'float32' : 'float64');
    const needsScratch = preconditioner !== undefined || (bounded && storage === 'float32');
    return {
      ...pairRing(n, m, storage),
      gram: !byVectors && (isLong || storage === 'float32') ? gramOf(m) : null,
      rho: new Float64Array(m + 1),
      gamma: new Float64Array(m + 1),
      tau: new Float64Array(m + 1),
      biggs: new Float64Array(m + 1),
      scratch: new Float64Array(needsScratch ? n : 0),
      modifiedSecant: options.modifiedSecant ?? hasExactValues(setting),
      rounded: precision === 'float32',
    };
  }

  function learn(memory: LbfgsMemory, step: LearnedStep, left?: LineState): StepNorms {
    const { rows, next: slot } = memory;
    // What follows the sums reads the old gradient only for a damped or self-scaled pair.
    const isPlain = left !== undefined && !damping && !selfScaling;
    const place = isPlain ? placeOver(memory, left) : null;
    const y = place?.gradient ?? rows[2 * slot + 1];
    const sums = recordPair(memory, step, place, isPlain);
    const { pair, biggs, sBs } = shapePair(memory, step, y, sums, options);
    if (!isCurved(pair, y instanceof Float32Array ? FLOAT32_COSINE : undefined)) return sums;
    memory.rho[slot] = 1 / pair.sy;
    memory.biggs[slot] = biggs;
    memory.tau[slot] = selfScaling ? Math.min(1, (biggs * pair.sy) / sBs) : 1;
    memory.gamma[slot] =
      preconditioner === undefined
        ? scalingOf(pair)
        : preconditionedScale(preconditioner, pair.sy, y as Float64Array, memory.scratch);
    keepPair(memory, step.appliedTo === undefined ? pair : { ...pair, sg: NaN });
    if (place !== null) exchangeRows(memory, slot, place);
    return sums;
  }

  function apply(
    memory: LbfgsMemory,
    gradient: Float64Array,
    out: Float64Array,
    held: readonly number[] = [],
    ahead?: Ahead,
  ): number | void {
    const { gram, rows, gamma, count } = memory;
    if (gram && count > 0) {
      const scaling = endSlot(memory, selfScaling ? 'oldest' : 'newest');
      if (ahead) ahead.alpha = 1;
      return gramDirection(memory, gram, gamma[scaling], gradient, out, ahead);
    }
    const { slots, rho } = bounded
      ? freePairs(memory, memory, held)
      : { slots: slotsOf(memory), rho: memory.rho };
    const first = slots[selfScaling ? slots.length - 1 : 0];
    scaleInto(-1, gradient, out);
    for (const i of held) out[i] = 0;
    if (slots.length === 0) return bounded ? shorten(out) : undefined;
    const isWhole = held.length === 0 || preconditioner !== undefined;
    const scale = isWhole ? gamma[first] : scalingOf(freeSums(rows[2 * first], rows[2 * first + 1], held));
    const initial = (vector: Float64Array): void => {
      if (preconditioner !== undefined) {
        preconditioner(vector, memory.scratch);
        vector.set(memory.scratch);
      }
      scaleInto(scale, vector, vector);
    };
    twoLoop(memory, { slots, rho, held, initial }, out);
  }

  return {
    init,
    vector: ({ rows }) => vectorBeside(rows[0]),
    apply,
    learn,
    reset: clearPairs,
    isFresh: ({ count }) => count === 0,
  };
}

/** Returns the pair to learn, damped if necessary, with its Biggs factor, and sᵀBs if needed. */
function shapePair(
  { modifiedSecant }: LbfgsMemory,
  step: LearnedStep,
  y: Row,
  sums: ReturnType<typeof recordPair>,
  { damping = false, selfScaling = false }: LimitedMemoryOptions,
) {
  const t = modifiedSecant ? biggsFactor(step, sums) : 1;
  const { alpha, gradient, appliedTo = gradient } = step;
  // B is not stored: s = −αHg gives Bs = −αg, with the g that H was applied to.
  const sBs = damping || selfScaling ? -alpha * slopeAlong(step, appliedTo) : NaN;
  const isDamped = damping && t * sums.sy < DAMPED_CURVATURE * sBs;
  const pair = isDamped ? dampPair(sums, t, sBs, alpha, appliedTo, y) : sums;
  return { pair, biggs: isDamped ? 1 : t, sBs };
}

/** Returns sᵀy/yᵀP⁻¹y. */
function preconditionedScale(
  preconditioner: NonNullable<LimitedMemoryOptions['preconditioner']>,
  sy: Curvature['sy'],
  y: Float64Array,
  scratch: Float64Array,
): number {
  preconditioner(y, scratch);
  return sy / dot(y, scratch);
}

/** Scales −∇f so that no element exceeds 1 in size, since with bounds the first step tried is 1. */
function shorten(out: Float64Array): void {
  scaleInto(Math.min(1, 1 / normInf(out)), out, out);
}
