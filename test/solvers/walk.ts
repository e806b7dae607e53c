import { runSync, type Iterate, type Problem, type Setting, type Solver } from 'quasi-newton';

/** One accepted step of a solver, as seen from outside. */
export interface Walked {
  /** The point and what was known of f there before the step. */
  readonly before: { readonly x: number[]; readonly gradient: number[]; readonly f: number };
  readonly x: number[];
  readonly f: number;
  readonly gradient: number[];
  readonly alpha: number;
  readonly moved: number;
  /** Evaluations it took. */
  readonly evaluations: number;
}

/** A solver's state at the start of a problem. */
export function started<State extends Iterate>(
  solver: Solver<State>,
  { p0, fg }: Problem,
  setting: Partial<Setting> = {},
): State {
  const state = solver.init({ n: p0.length, precision: 'float64', ...setting });
  state.x.set(p0);
  state.f = fg(state.x, state.gradient);
  return state;
}

/** Takes one step, which must be accepted. */
export function stepFrom<State extends Iterate>(
  solver: Solver<State>,
  state: State,
  problem: Problem,
): Walked {
  const before = { x: [...state.x], gradient: [...state.gradient], f: state.f };
  let evaluations = 0;
  const counted: Problem = { ...problem, fg: (x, gradient) => (evaluations++, problem.fg(x, gradient)) };
  const outcome = runSync(solver.step(state), counted);
  if (outcome.kind !== 'accepted') throw new Error(outcome.termination);
  const { alpha, moved } = outcome;
  return { before, x: [...state.x], f: state.f, gradient: [...state.gradient], alpha, moved, evaluations };
}

/** Takes so many steps from p0. */
export function walk<State extends Iterate>(
  solver: Solver<State>,
  problem: Problem,
  count: number,
  setting: Partial<Setting> = {},
): Walked[] {
  const state = started(solver, problem, setting);
  return Array.from({ length: count }, () => stepFrom(solver, state, problem));
}

/** √(Σvᵢ²/n). */
export const rootMeanSquare = (v: readonly number[]): number =>
  Math.sqrt(v.reduce((sum, value) => sum + value * value, 0) / v.length);

/** ∇f as a function of a plain point. */
export function gradientAt({ fg }: Problem, x: readonly number[]): number[] {
  const gradient = new Float64Array(x.length);
  fg(Float64Array.from(x), gradient);
  return [...gradient];
}

/** ‖a − b‖∞ / max(1, ‖b‖∞). */
export function difference(a: readonly number[], b: readonly number[]): number {
  const largest = (v: readonly number[]) => Math.max(...v.map(Math.abs));
  return largest(a.map((value, i) => value - b[i])) / Math.max(1, largest(b));
}

/** ‖x‖₂. */
export const length = (x: readonly number[]): number =>
  Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0));

/** Four unknowns of different scales that are coupled; not convex, so that gradients turn. */
export const hills: Problem = {
  p0: Float64Array.of(1.3, -0.7, 2.1, 0.4),
  fg(x, gradient) {
    let f = 0;
    gradient?.fill(0);
    for (let i = 0; i < x.length; i++) {
      const next = (i + 1) % x.length;
      f += ((i + 1) * (x[i] - i) ** 2) / 2 + Math.sin(3 * x[i]) + x[i] * Math.cos(x[next]);
      if (gradient) {
        gradient[i] += (i + 1) * (x[i] - i) + 3 * Math.cos(3 * x[i]) + Math.cos(x[next]);
        gradient[next] -= x[i] * Math.sin(x[next]);
      }
    }
    return f;
  },
};

/** A quadratic that is not separable. */
export const bowl: Problem = {
  p0: Float64Array.of(1.5, -2, 0, 3, 0.5),
  fg(x, gradient) {
    const centre = [0.4, -3, 1.5, 0, 2];
    const d = x.map((value, i) => value - centre[i]);
    let f = 0;
    gradient?.fill(0);
    for (let i = 0; i < d.length; i++) {
      const next = (i + 1) % d.length;
      f += ((i + 1) * d[i] ** 2) / 2 + 0.3 * d[i] * d[next];
      if (gradient) {
        gradient[i] += (i + 1) * d[i] + 0.3 * d[next];
        gradient[next] += 0.3 * d[i];
      }
    }
    return f;
  },
};
