import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../../src/core/drive.ts';
import { dot } from '../../../src/core/vector.ts';
import { approach } from '../../../src/solvers/curveFit/approach.ts';
import {
  linearizeAt,
  roughness,
  type FitProblem,
  type Linearized,
} from '../../../src/solvers/curveFit/linearized.ts';
import { inverseFactor } from '../../../src/solvers/curveFit/qr.ts';
import { isLimit, solveFit } from '../../../src/solvers/curveFit/solveFit.ts';
import { hardFit, randomFit, seeds } from './fits.ts';

const EPS = { float64: 2 ** -52, float32: 2 ** -23 };
const precisionOf = ({ problem }: FitProblem) => problem.precision ?? 'float64';
const exact = (fit: FitProblem) => (100 * EPS[precisionOf(fit)] * fit.size) ** 2;
const atLimit = (termination: string) => termination.startsWith('max');
/** The constants of float64, and of float32. */
const of = (fit: FitProblem, float64: number, float32: number) =>
  precisionOf(fit) === 'float32' ? float32 : float64;

/** Σ of a geometric series of steps whose promises fall by a ratio; true if they change nothing. */
function isNothing(fit: FitProblem, { x, f, step, decrease }: Linearized, factor: number, ratio: number) {
  const all = 1 / (1 - Math.sqrt(ratio));
  const left = factor * decrease * all ** 2;
  return (
    left <= of(fit, 2e-16, 1e-8) * f ||
    step.every((move, j) => Math.sqrt(factor) * all * Math.abs(move) <= of(fit, 1e-8, 1e-6) * Math.abs(x[j]))
  );
}

function isHarmless(now: Linearized) {
  const { qr, x, f, free } = now;
  const error = Math.sqrt(roughness(now));
  if (qr.rank < free.length || error > 2e-6) return false;
  const factor = inverseFactor(qr);
  const variances = free.map((_, k) => factor.reduce((sum, u) => sum + u[k] ** 2, 0));
  return free.every((j, k) => error * Math.sqrt(f * variances[k]) <= 1e-8 * Math.abs(x[j]));
}

/** x + δ, or Anderson's mixture of it with that of the previous step, in units of the columns. */
function target(now: Linearized, before: Linearized | null) {
  const plain = (at: Linearized) => at.x.map((value, j) => value + at.step[j]);
  if (before === null) return plain(now);
  let [along, square] = [0, 0];
  now.free.forEach((j, k) => {
    const weight = now.qr.norms[k] ** 2;
    const change = now.step[j] - before.step[j];
    along += weight * now.step[j] * change;
    square += weight * change * change;
  });
  const share = square > 0 ? along / square : 0;
  const [end, end0] = [plain(now), plain(before)];
  return end.map((value, j) => value - share * (value - end0[j]));
}

function plainSettle(fit: FitProblem, start: Linearized, firstRatio: number, termination: string) {
  let now = start;
  let before: Linearized | null = null;
  let best = { x: start.x, f: start.f };
  let ratio = firstRatio < 1 ? Math.max(1e-4, firstRatio) : 0.01;
  for (let round = 0; round < 30 && !atLimit(termination) && now.decrease > 0; round++) {
    if (round > 0 && best.f <= exact(fit)) break;
    if (before !== null) {
      const measured = Math.min(0.998, Math.max(1e-4, now.decrease / before.decrease));
      ratio = round === 1 ? measured : Math.max(ratio, measured);
    }
    const fine = now.accuracy === 'fine';
    const enough = fine || isHarmless(now);
    const last = enough && isNothing(fit, now, ratio, ratio);
    const x = target(now, last ? null : before);
    let f = Infinity;
    if (x.every((value, j) => value >= fit.lower[j] && value <= fit.upper[j])) {
      const r = new Float64Array(fit.problem.residualCount as number);
      fit.problem.residuals(x, r, null);
      f = dot(r, r);
    }
    const lower = f < Infinity && f <= best.f + 64 * EPS[precisionOf(fit)] * (f + fit.size * Math.sqrt(f));
    if (lower) best = { x, f };
    if (last || (fine && !lower)) break;
    const roughDoes =
      lower && ratio * now.decrease > 10 * roughness(now) * now.f && !isNothing(fit, now, ratio ** 2, ratio);
    const next = linearizeAt(fit, best.x, !fine && (roughDoes || (lower && enough)) ? 'rough' : 'fine');
    if (fine && !(next.decrease < 4 * now.decrease)) break;
    before = lower && next.decrease < now.decrease ? now : null;
    now = next;
  }
  const small =
    now.decrease <= of(fit, 1e-10, 1e-5) * best.f ||
    now.step.every((move, j) => Math.abs(move) <= of(fit, 1e-8, 1e-5) * Math.abs(now.x[j]));
  const isMinimum = best.f <= exact(fit) || (!(now.qr.rank === 0 && now.free.length > 0) && small);
  return { ...now, ...best, converged: !atLimit(termination) && isMinimum, termination };
}

/** All of a fit once more: approach, Gauss–Newton steps, and another approach where they do not converge. */
function plainSolve(fit: FitProblem) {
  const run = (x: Float64Array, accuracy: 'rough' | 'fine') =>
    runUnguarded(approach(fit, x, accuracy), fit.problem);
  const fine = fit.hasJacobian || precisionOf(fit) === 'float32';
  let end = run(fit.problem.p0, fine ? 'fine' : 'rough');
  if (end.near) {
    const found = plainSettle(fit, end.near, end.ratio, end.termination);
    if (found.converged) return found;
    end = run(found.x, 'fine');
  }
  let now = linearizeAt(fit, end.x, 'fine');
  for (let round = 0; round < 2; round++) {
    if (now.f <= exact(fit) || now.decrease <= 1e-6 * now.f || atLimit(end.termination)) break;
    end = run(end.x, 'fine');
    now = linearizeAt(fit, end.x, 'fine');
  }
  return plainSettle(fit, now, end.ratio, end.termination);
}

describe('the solution of a fit', () => {
  it.each([...seeds('usual', 240), ...seeds('hard', 120)])(
    'is that of its rule on %s fit %d',
    (kind, seed) => {
      const { fit, points } = kind === 'hard' ? hardFit(seed) : randomFit(seed);
      const found = solveFit(fit);
      const asked = points.splice(0);
      const expected = plainSolve(fit);
      expect(asked.length).toBe(points.length);
      expect(asked).toEqual(points);
      expect([found.converged, found.termination]).toEqual([expected.converged, expected.termination]);
      expect([[...found.x], found.f]).toEqual([[...expected.x], expected.f]);
      expect([found.free, found.held]).toEqual([expected.free, expected.held]);
      expect([...found.qr.order]).toEqual([...expected.qr.order]);
    },
  );

  it('stops at limits, which count neither as success nor as a reason to begin again', () => {
    for (const seed of [1, 2, 5, 6]) {
      for (const limit of [{ maxEvaluations: 2 }, { maxTime: 1e-9 }]) {
        const { fitWith } = randomFit(seed);
        const { converged, termination } = solveFit(fitWith({ maxIterations: 1000, ...limit }));
        expect([converged, isLimit(termination)]).toEqual([false, true]);
      }
    }
    expect((['maxIterations', 'maxEvaluations', 'maxTime'] as const).every(isLimit)).toBe(true);
    expect((['functionTolerance', 'precisionFloor', 'maxProducts'] as const).some(isLimit)).toBe(false);
  });
});
