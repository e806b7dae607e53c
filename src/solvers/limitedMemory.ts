import { addScaled, dot, scaleInto } from '../core/vector.ts';
import {
  CURVATURE_EPSILON,
  hasExactValues,
  pairProducts,
  writePair,
  type PairProducts,
} from './curvature.ts';
import type { Descent } from './lineSearchSolver.ts';
import type { LineState } from './searchAlong.ts';

/** The last m pairs s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ, in a ring. */
export interface LbfgsMemory {
  /** m slots, filled as pairs come; `[n]` each. */
  readonly s: Float64Array[];
  readonly y: Float64Array[];
  /** 1/sᵀy of each slot. */
  readonly rho: Float64Array;
  /** The scale γ of H₀ = γI that each slot's pair asks for. */
  readonly gamma: Float64Array;
  /** By what H was divided before each slot's pair was taken in; 1 without self-scaling. */
  readonly tau: Float64Array;
  /** Scratch of the two-loop recursion, `[m]`. */
  readonly coefficients: Float64Array;
  /** Scratch of the preconditioner, `[n]`, or empty. */
  readonly preconditioned: Float64Array;
  /** Number of pairs. */
  count: number;
  /** Slot of the next pair. */
  next: number;
  readonly modifiedSecant: boolean;
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
   * Divide H by τ = min(1, sᵀy/sᵀBs) before each pair, as {@link ssbfgs} does; H₀ is then scaled by the oldest
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
  readonly initialScaling?: 'short' | 'long' | 'geometric' | 'none' | undefined;
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
}

/**
 * The limited-memory estimate of BFGS, applied by the two-loop recursion.
 *
 * @param memoryFor - number of pairs for n unknowns
 */
export function limitedMemory(
  memoryFor: (n: number) => number,
  options: LimitedMemoryOptions = {},
): Descent<LbfgsMemory> {
  const { modifiedSecant, selfScaling = false, preconditioner, damping = false } = options;
  const scalingOf = scalings[options.initialScaling ?? 'short'];

  function update(memory: LbfgsMemory, step: LineState, alpha: number): void {
    const bare = pairProducts(step, memory.modifiedSecant);
    // B is not stored: s = −αHg gives Bs = −αg.
    const sBs = damping || selfScaling ? -alpha * slopeAlong(step) : NaN;
    const damped = damping && bare.sy < DAMPED_CURVATURE * sBs;
    if (!damped && !(bare.sy > CURVATURE_EPSILON * bare.yy)) return;

    const m = memory.rho.length;
    const slot = memory.next;
    const s = (memory.s[slot] ??= new Float64Array(step.x.length));
    const y = (memory.y[slot] ??= new Float64Array(step.x.length));
    writePair(step, bare.stretch, s, y);
    const pair = damped ? dampPair(bare, sBs, alpha, step.gradient, y) : bare;
    const { sy } = pair;
    memory.rho[slot] = 1 / sy;
    memory.tau[slot] = selfScaling ? Math.min(1, sy / sBs) : 1;
    if (preconditioner === undefined) {
      memory.gamma[slot] = scalingOf(pair);
    } else {
      preconditioner(y, memory.preconditioned);
      memory.gamma[slot] = sy / dot(y, memory.preconditioned);
    }
    memory.next = (slot + 1) % m;
    memory.count = Math.min(memory.count + 1, m);
  }

  /** `out ← −H·gradient`; Nocedal & Wright, Algorithm 7.4. `gradient` may be `out`. */
  function direction(memory: LbfgsMemory, gradient: Float64Array, out: Float64Array): void {
    const { s, y, rho, gamma, tau, coefficients, preconditioned, count, next } = memory;
    const m = rho.length;
    scaleInto(-1, gradient, out);
    for (let age = 1; age <= count; age++) {
      const i = (next - age + m) % m;
      coefficients[i] = rho[i] * dot(s[i], out);
      addScaled(out, -coefficients[i], y[i], out);
      if (tau[i] !== 1) scaleInto(1 / Math.sqrt(tau[i]), out, out);
    }
    if (preconditioner !== undefined) {
      preconditioner(out, preconditioned);
      out.set(preconditioned);
    }
    const model = (next - (selfScaling ? count : 1) + m) % m;
    if (count > 0) scaleInto(gamma[model], out, out);
    for (let age = count; age >= 1; age--) {
      const i = (next - age + m) % m;
      if (tau[i] !== 1) scaleInto(1 / Math.sqrt(tau[i]), out, out);
      addScaled(out, coefficients[i] - rho[i] * dot(y[i], out), s[i], out);
    }
  }

  return {
    init(setting) {
      const m = memoryFor(setting.n);
      return {
        s: [],
        y: [],
        rho: new Float64Array(m),
        gamma: new Float64Array(m),
        tau: new Float64Array(m),
        coefficients: new Float64Array(m),
        preconditioned: new Float64Array(preconditioner === undefined ? 0 : setting.n),
        count: 0,
        next: 0,
        modifiedSecant: modifiedSecant ?? hasExactValues(setting),
      };
    },
    direction,
    update,
    forget: (memory) => Object.assign(memory, { count: 0, next: 0 }),
    isFresh: ({ count }) => count === 0,
  };
}

/** γ by the names of the option; the first two are the steps of Barzilai & Borwein (1988). */
const scalings: Record<string, (pair: PairProducts) => number> = {
  short: ({ sy, yy }) => sy / yy,
  long: ({ sy, ss }) => ss / sy,
  geometric: ({ ss, yy }) => Math.sqrt(ss / yy),
  none: () => 1,
};

/** ∇fᵀs of the step. */
function slopeAlong({ x, trial, gradient }: LineState): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += gradient[i] * (trial[i] - x[i]);
  return sum;
}

/** Damping leaves sᵀy at this part of sᵀBs. */
const DAMPED_CURVATURE = 0.2;

/** `y ← θy + (1 − θ)Bs` with sᵀy = 0.2·sᵀBs; Nocedal & Wright, Procedure 18.2. */
function dampPair(
  { sy, ss }: PairProducts,
  sBs: number,
  alpha: number,
  gradient: Float64Array,
  y: Float64Array,
): PairProducts {
  const theta = ((1 - DAMPED_CURVATURE) * sBs) / (sBs - sy);
  scaleInto(theta, y, y);
  addScaled(y, -(1 - theta) * alpha, gradient, y);
  return { sy: DAMPED_CURVATURE * sBs, yy: dot(y, y), ss, stretch: 0 };
}
