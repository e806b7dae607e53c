import { boolean, callable, checkOptions, integerFrom } from '../core/options.ts';
import { addScaled, dot, scaleInto } from '../core/vector.ts';
import { CURVATURE_EPSILON, hasExactValues, pairProducts, writePair } from './curvature.ts';
import { unitStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';
import type { LineState } from './searchAlong.ts';

/** Options of {@link lbfgs}. */
export interface LbfgsOptions {
  /**
   * Number m of curvature pairs kept: 2mn numbers. More pairs take fewer evaluations, and a little more
   * time each.
   *
   * @defaultValue 50 for n ≤ 2000, 10 for n ≥ 1e6, else 20
   */
  readonly memory?: number;
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
  /** @defaultValue `unitStep()` */
  readonly initialStep?: InitialStep;
  /**
   * Learn curvature from the values of f too, not from its gradients alone.
   *
   * @defaultValue true in float64, false in float32 and on mini-batches, whose values are too noisy for it
   */
  readonly modifiedSecant?: boolean;
}

/** The last m pairs s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ, in a ring. */
export interface LbfgsMemory {
  /** m slots, filled as pairs come; `[n]` each. */
  readonly s: Float64Array[];
  readonly y: Float64Array[];
  /** 1/sᵀy of each slot. */
  readonly rho: Float64Array;
  /** Scratch of the two-loop recursion, `[m]`. */
  readonly coefficients: Float64Array;
  /** Number of pairs. */
  count: number;
  /** Slot of the next pair. */
  next: number;
  /** H₀ = gamma·I, gamma = sᵀy/yᵀy of the newest pair. */
  gamma: number;
  readonly modifiedSecant: boolean;
}

/**
 * Limited-memory BFGS: the method to begin with, for tens to millions of unknowns.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { lbfgs, minimize, strongWolfe } from 'quasi-newton';
 *
 * const solver = lbfgs({ memory: 10, lineSearch: strongWolfe() });
 * ```
 *
 * @see Nocedal (1980), Updating quasi-Newton matrices with limited storage, Math. Comp. 35,
 *   doi:10.1090/S0025-5718-1980-0572855-7; Liu & Nocedal (1989), Math. Programming 45, doi:10.1007/BF01589116
 */
export function lbfgs(options: LbfgsOptions = {}): Solver<LineSearchState<LbfgsMemory>> {
  checkOptions('lbfgs', options, {
    memory: integerFrom(1),
    lineSearch: lineSearchRule,
    initialStep: callable,
    modifiedSecant: boolean,
  });
  const { lineSearch = strongWolfe(), initialStep = unitStep() } = options;
  const memoryFor = (n: number) => options.memory ?? defaultMemory(n);
  return lineSearchSolver({
    name: 'lbfgs',
    describe: (n) => `L-BFGS (memory ${memoryFor(n)}, ${lineSearch.name})`,
    descent: limitedMemory(memoryFor, options.modifiedSecant),
    lineSearch,
    initialStep,
  });
}

function defaultMemory(n: number): number {
  if (n <= 2000) return 50;
  return n >= 1e6 ? 10 : 20;
}

function limitedMemory(
  memoryFor: (n: number) => number,
  modifiedSecant: boolean | undefined,
): Descent<LbfgsMemory> {
  return {
    init(setting) {
      const m = memoryFor(setting.n);
      return {
        s: [],
        y: [],
        rho: new Float64Array(m),
        coefficients: new Float64Array(m),
        count: 0,
        next: 0,
        gamma: 1,
        modifiedSecant: modifiedSecant ?? hasExactValues(setting),
      };
    },
    direction: twoLoop,
    update: storePair,
    forget: (memory) => Object.assign(memory, { count: 0, next: 0, gamma: 1 }),
    isFresh: (memory) => memory.count === 0,
  };
}

/** `out ← −H·gradient` by the two-loop recursion; Nocedal & Wright, Algorithm 7.4. */
function twoLoop(
  { s, y, rho, coefficients, count, next, gamma }: LbfgsMemory,
  gradient: Float64Array,
  out: Float64Array,
): void {
  const m = rho.length;
  scaleInto(-1, gradient, out);
  for (let age = 1; age <= count; age++) {
    const i = (next - age + m) % m;
    coefficients[i] = rho[i] * dot(s[i], out);
    addScaled(out, -coefficients[i], y[i], out);
  }
  scaleInto(gamma, out, out);
  for (let age = count; age >= 1; age--) {
    const i = (next - age + m) % m;
    addScaled(out, coefficients[i] - rho[i] * dot(y[i], out), s[i], out);
  }
}

/** Puts the step's pair in the place of the oldest, unless its curvature is lost in rounding. */
function storePair(memory: LbfgsMemory, step: LineState): void {
  const { sy, yy, stretch } = pairProducts(step, memory.modifiedSecant);
  if (!(sy > CURVATURE_EPSILON * yy)) return;
  const m = memory.rho.length;
  const slot = memory.next;
  const s = (memory.s[slot] ??= new Float64Array(step.x.length));
  const y = (memory.y[slot] ??= new Float64Array(step.x.length));
  writePair(step, stretch, s, y);
  memory.rho[slot] = 1 / sy;
  memory.gamma = sy / yy;
  memory.next = (slot + 1) % m;
  memory.count = Math.min(memory.count + 1, m);
}
