import { checkOptions, finitePositive, integerFrom, numberBetween, positive } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { addScaled, dot, norm2, normInf, roundToFloat32, scaleInto } from '../core/vector.ts';
import type { Iterate, Setting, Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link newtonCG}. */
export interface NewtonCGOptions {
  /** The first radius of the trust region. @defaultValue `1` */
  readonly radius?: number;
  /** Its largest. @defaultValue `1e10` */
  readonly maxRadius?: number;
  /** A step is taken if f falls by this part of what the model predicts. @defaultValue `1e-4` */
  readonly acceptance?: number;
  /** Products with the Hessian a step may take. @defaultValue `min(n, 200)` */
  readonly maxProducts?: number;
}

/** The trust region and the vectors of its conjugate gradients, `[n]` each. */
export interface NewtonCGState extends Iterate {
  trial: Float64Array;
  trialGradient: Float64Array;
  /** The step, z. */
  readonly step: Float64Array;
  /** ∇f + Hz */
  readonly residual: Float64Array;
  readonly direction: Float64Array;
  /** H·direction */
  readonly product: Float64Array;
  /** Scratch of the differences. */
  readonly shifted: Float64Array;
  radius: number;
  /** Whether the problem answers for Hessian products; else they are differences of gradients. */
  readonly exact: boolean;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/** The radius shrinks below this part of ‖x‖ only where nothing can be gained. */
const MIN_RADIUS = 1e-15;
/** A change of f below this part of it is rounding; the gradient then decides. */
const NOISE = { float64: 1e-14, float32: 1e-6 };

/**
 * Newton's method in a trust region, its equations solved by conjugate gradients (Steihaug).
 *
 * Fast where products with the Hessian are cheap and exact: give the problem a `hessianVector`. Without one
 * each product costs two evaluations, a central difference of gradients whose step is fit for the
 * problem's precision; `lbfgs` is then usually the better choice.
 *
 * @throws RangeError naming every option that is wrong
 * @see Steihaug (1983), SIAM J. Numer. Anal. 20(3), doi:10.1137/0720042; Nocedal & Wright (2006), Numerical
 *   Optimization, 2nd ed., Algorithms 4.1 and 7.2
 */
export function newtonCG(options: NewtonCGOptions = {}): Solver<NewtonCGState> {
  checkOptions('newtonCG', options, {
    radius: finitePositive,
    maxRadius: positive,
    acceptance: numberBetween(0, 0.25),
    maxProducts: integerFrom(1),
  });
  const { radius = 1, maxRadius = 1e10, acceptance = 1e-4, maxProducts } = options;
  if (!(radius <= maxRadius)) {
    throw new RangeError(
      `newtonCG: radius must not exceed maxRadius, got radius = ${radius} and maxRadius = ${maxRadius}.`,
    );
  }

  function* step(state: NewtonCGState): Asks<StepOutcome> {
    const noise = state.rounded ? NOISE.float32 : NOISE.float64;
    for (;;) {
      const products = maxProducts ?? Math.min(state.x.length, 200);
      const predicted = yield* solveInRegion(state, products);
      addScaled(state.x, 1, state.step, state.trial);
      if (state.rounded) roundToFloat32(state.trial);
      const trialF = yield evaluate(state.trial, state.trialGradient);
      const ratio = gainRatio(state, trialF, predicted, noise * Math.abs(state.f));
      const length = norm2(state.step);
      if (!(ratio >= 0.25)) state.radius = 0.25 * length;
      else if (ratio > 0.75 && length > 0.99 * state.radius) state.radius = Math.min(2 * length, maxRadius);
      if (ratio > acceptance) {
        [state.x, state.trial] = [state.trial, state.x];
        [state.gradient, state.trialGradient] = [state.trialGradient, state.gradient];
        state.f = trialF;
        return { kind: 'accepted', alpha: 1, moved: normInf(state.step) };
      }
      if (state.stochastic || !(state.radius > MIN_RADIUS * (1 + norm2(state.x)))) {
        state.radius = radius;
        return { kind: 'failed', termination: 'lineSearchFailed' };
      }
    }
  }

  return {
    name: 'newtonCG',
    descends: true,
    describe: () => 'Newton–CG (trust region, Steihaug)',
    init: (setting) => initialState(setting, radius),
    step,
  };
}

function initialState({ n, precision, stochastic = false, hessianVector = false }: Setting, radius: number) {
  return {
    x: new Float64Array(n),
    gradient: new Float64Array(n),
    f: NaN,
    trial: new Float64Array(n),
    trialGradient: new Float64Array(n),
    step: new Float64Array(n),
    residual: new Float64Array(n),
    direction: new Float64Array(n),
    product: new Float64Array(n),
    shifted: new Float64Array(n),
    radius,
    exact: hessianVector,
    rounded: precision === 'float32',
    stochastic,
  };
}

/** The decrease of f over the one predicted; where both are noise, whether the gradient has become smaller. */
function gainRatio(state: NewtonCGState, trialF: number, predicted: number, noise: number): number {
  const gained = state.f - trialF;
  if (predicted <= noise && Math.abs(gained) <= noise) {
    return norm2(state.trialGradient) < norm2(state.gradient) ? 1 : 0;
  }
  return gained / predicted;
}

/**
 * `step ←` an approximate minimiser of gᵀz + zᵀHz/2 in ‖z‖ ≤ radius; Nocedal & Wright, Algorithm 7.2.
 *
 * @returns the decrease that the quadratic model predicts
 */
function* solveInRegion(state: NewtonCGState, maxProducts: number): Asks<number> {
  const { gradient, step, residual, direction, product, radius } = state;
  step.fill(0);
  residual.set(gradient);
  scaleInto(-1, gradient, direction);
  let square = dot(residual, residual);
  const norm = Math.sqrt(square);
  const tolerance = Math.min(0.5, Math.sqrt(norm)) * norm;
  let decrease = 0;
  for (let k = 0; k < maxProducts; k++) {
    yield* hessianTimesDirection(state);
    const curvature = dot(direction, product);
    const alpha = square / curvature;
    // Negative curvature, or a step that leaves the region: go on to its boundary.
    const leaves = !(curvature > 0) || norm2Of(step, alpha, direction) >= radius;
    const length = leaves ? toBoundary(step, direction, radius) : alpha;
    // Along the direction the model's slope is rᵀd = −‖r‖².
    decrease += length * square - (length * length * curvature) / 2;
    addScaled(step, length, direction, step);
    if (leaves) return decrease;
    addScaled(residual, alpha, product, residual);
    const next = dot(residual, residual);
    if (Math.sqrt(next) <= tolerance) return decrease;
    scaleInto(next / square, direction, direction);
    addScaled(direction, -1, residual, direction);
    square = next;
  }
  return decrease;
}

/** ‖z + alpha·d‖₂. */
function norm2Of(z: Float64Array, alpha: number, d: Float64Array): number {
  return Math.sqrt(dot(z, z) + alpha * (2 * dot(z, d) + alpha * dot(d, d)));
}

/** The τ ≥ 0 with ‖z + τd‖ = radius. */
function toBoundary(z: Float64Array, d: Float64Array, radius: number): number {
  const dd = dot(d, d);
  const zd = dot(z, d);
  const room = Math.max(0, radius * radius - dot(z, z));
  return room / (zd + Math.sqrt(zd * zd + dd * room));
}

/** The relative step of a central difference of gradients: the cube root of their rounding. */
const DIFFERENCE = { float64: Math.cbrt(2 ** -52), float32: Math.cbrt(2 ** -23) };

/** `product ← H·direction`, asked for or by central differences. */
function* hessianTimesDirection(state: NewtonCGState): Asks<void> {
  const { x, direction, product, shifted, trialGradient, exact, rounded } = state;
  if (exact) {
    yield { kind: 'hessianVector', x, v: direction, product };
    return;
  }
  const relative = rounded ? DIFFERENCE.float32 : DIFFERENCE.float64;
  const h = (relative * (1 + normInf(x))) / normInf(direction);
  yield shift(shifted, x, h, direction, rounded, product);
  yield shift(shifted, x, -h, direction, rounded, trialGradient);
  addScaled(product, -1, trialGradient, product);
  scaleInto(1 / (2 * h), product, product);
}

/** Asks for ∇f(x + h·d) into `gradient`. */
function shift(
  shifted: Float64Array,
  x: Float64Array,
  h: number,
  d: Float64Array,
  rounded: boolean,
  gradient: Float64Array,
) {
  addScaled(x, h, d, shifted);
  if (rounded) roundToFloat32(shifted);
  return evaluate(shifted, gradient);
}
