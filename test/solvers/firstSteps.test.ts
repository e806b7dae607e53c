import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bfgs,
  conjugateGradient,
  fixedStep,
  gradientDescent,
  hagerZhangStep,
  lbfgs,
  minimize,
  previousStep,
  quadraticStep,
  rampedStep,
  ssbfgs,
  ssbroyden,
  staticStep,
  unitStep,
  type InitialStep,
  type LastStep,
  type LineState,
  type Problem,
} from 'quasi-newton';
import { difference, hills, rootMeanSquare, stepFrom, started, walk } from './walk.ts';

// Oracles: each rule for the first step of a search, from its formula.

const none: LastStep = { alpha: NaN, slope: NaN, value: NaN };

/** The part of a state that the rules look at. */
const at = ({
  x = [1],
  gradient = [1],
  f = 1,
}: {
  x?: number[];
  gradient?: number[];
  f?: number;
}): LineState => ({ x: Float64Array.from(x), gradient: Float64Array.from(gradient), f }) as LineState;

interface Asked {
  alpha: number;
  readonly asked: { alpha: number; slope: boolean }[];
}

/** The step that a rule chooses, and the φ that it has asked for. */
function choose(
  rule: InitialStep,
  state: LineState,
  { fresh = false, slope = -1, last = none, phi = (_alpha: number) => NaN } = {},
): Asked {
  const asked: Asked['asked'] = [];
  const first = rule(state, fresh, slope, last);
  if (typeof first === 'number') return { alpha: first, asked };
  let turn = first.next();
  while (!turn.done) {
    asked.push(turn.value);
    turn = first.next({ value: phi(turn.value.alpha), slope: NaN });
  }
  return { alpha: turn.value, asked };
}

const last = (alpha: number, slope = -1, value = 1): LastStep => ({ alpha, slope, value });

it.each([
  ['staticStep: alpha', staticStep],
  ['unitStep: longest', unitStep],
  ['rampedStep: growth', rampedStep],
])('%s must be finite and positive', (name, rule) => {
  for (const wrong of [0, -1, NaN, Infinity]) {
    expect(() => rule(wrong)).toThrow(`${name}: must be a finite number > 0, got ${wrong}`);
  }
});

it.each([
  ['rampedStep', rampedStep(), 1],
  // A hundredth of the size of x.
  ['hagerZhangStep', hagerZhangStep(), 0.01],
])('%s begins as at first where the last step was 0', (_name, rule, alpha) => {
  expect(choose(rule, at({}), { last: last(0) })).toEqual({ alpha, asked: [] });
});

describe('staticStep', () => {
  it('is always the same, 1 by default', () => {
    for (const fresh of [true, false]) {
      expect(choose(staticStep(), at({ gradient: [50] }), { fresh, last: last(7) }).alpha).toBe(1);
      expect(choose(staticStep(0.3), at({ gradient: [50] }), { fresh, last: last(7) }).alpha).toBe(0.3);
    }
  });
});

describe('unitStep', () => {
  it('is 1 along a quasi-Newton direction, and min(1, rms(x)/‖∇f‖∞) along the gradient', () => {
    expect(choose(unitStep(), at({ x: [3, 4], gradient: [50, 2] })).alpha).toBe(1);
    const alpha = choose(unitStep(), at({ x: [3, -4], gradient: [2, -50] }), { fresh: true }).alpha;
    expect(alpha).toBeCloseTo(Math.sqrt(12.5) / 50, 15);
    expect(choose(unitStep(), at({ x: [3, 4], gradient: [0.25, -0.5] }), { fresh: true }).alpha).toBe(1);
  });

  it('has the unit of x, be that tiny or huge; if x is 0, it moves no unknown by more than 1', () => {
    for (const size of [1e-200, 1e-20, 1e20]) {
      const scaled = at({ x: [0, -size], gradient: [3e80, 1] });
      const { alpha } = choose(unitStep(), scaled, { fresh: true });
      expect((alpha / size) * 3e80).toBeCloseTo(Math.SQRT1_2, 12);
    }
    expect(choose(unitStep(), at({ x: [0], gradient: [4] }), { fresh: true }).alpha).toBe(0.25);
  });

  it('scales both by the longest step', () => {
    expect(choose(unitStep(3), at({ gradient: [50] })).alpha).toBe(3);
    expect(choose(unitStep(3), at({ gradient: [-4] }), { fresh: true }).alpha).toBe(3 / 4);
  });
});

describe('rampedStep', () => {
  it('is no more than three times the last step, or as often as it says, nor than 1', () => {
    expect(choose(rampedStep(), at({}), { last: last(0.1) }).alpha).toBeCloseTo(0.3, 15);
    expect(choose(rampedStep(), at({}), { last: last(0.5) }).alpha).toBe(1);
    expect(choose(rampedStep(7), at({}), { last: last(0.1) }).alpha).toBeCloseTo(0.7, 15);
  });

  it('is a unit step at first and where all is forgotten', () => {
    expect(choose(rampedStep(), at({ gradient: [9] })).alpha).toBe(1);
    expect(choose(rampedStep(), at({ gradient: [8] }), { fresh: true, last: last(0.1) }).alpha).toBe(1 / 8);
  });
});

describe('previousStep', () => {
  it('is α·φ′ of the last step over φ′ now, so that αφ′(0) is as it was', () => {
    const steps = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(steps, steps, steps, (alpha, before, now) => {
        const chosen = choose(previousStep(), at({}), { slope: -now, last: last(alpha, -before) }).alpha;
        const expected = Math.min((alpha * before) / now, 10 * alpha);
        expect(Math.abs(chosen / expected - 1)).toBeLessThan(1e-14);
      }),
    );
  });

  it('is min(1, 1/‖∇f‖∞) at first and where the slopes give no step', () => {
    for (const [slope, before] of [
      [-1, none],
      [-0, last(1)],
      [-1, last(1, 1)],
      [-1e-320, last(1e300)],
      [-1, last(0)],
    ] as const) {
      expect(choose(previousStep(), at({ gradient: [-4, 1] }), { slope, last: before }).alpha).toBe(1 / 4);
    }
    expect(choose(previousStep(), at({ gradient: [0.1] })).alpha).toBe(1);
  });
});

describe('quadraticStep', () => {
  it('is 1.01·2(fₖ − fₖ₋₁)/φ′(0), at most 1: a hundredth beyond the parabola’s minimum', () => {
    // φ(α) = 3 − 2α + bα² has its minimum at 1/b, f₋₁ − f being what a step to it gains.
    const slope = -2;
    for (const b of [4, 10, 100]) {
      const gain = 1 / b;
      const chosen = choose(quadraticStep(), at({ f: 3 }), { slope, last: last(1, -1, 3 + gain) }).alpha;
      expect(chosen).toBeCloseTo(1.01 / b, 14);
    }
    expect(choose(quadraticStep(), at({ f: 3 }), { slope, last: last(1, -1, 4.5) }).alpha).toBe(1);
  });

  it('is min(1, 1/‖∇f‖∞) at first and where f has not fallen', () => {
    for (const before of [none, last(1, -1, 3), last(1, -1, 2), last(1, -1, Infinity)]) {
      expect(choose(quadraticStep(), at({ f: 3, gradient: [5] }), { last: before }).alpha).toBe(0.2);
    }
  });
});

describe('hagerZhangStep', () => {
  it('I1: takes the minimum of the parabola through f, φ′(0) and f at a tenth of the last step', () => {
    const rates = fc.double({ min: 0.1, max: 10, noNaN: true });
    fc.assert(
      fc.property(rates, rates, rates, (curvature, steepness, alpha) => {
        const minimum = steepness / (2 * curvature);
        fc.pre(0.1 * alpha < 2 * minimum && minimum < 100 * alpha);
        const phi = (a: number) => 5 - steepness * a + curvature * a * a;
        const { alpha: chosen, asked } = choose(hagerZhangStep(), at({ f: 5 }), {
          slope: -steepness,
          last: last(alpha),
          phi,
        });
        expect(asked).toEqual([{ alpha: 0.1 * alpha, slope: false }]);
        // Rounding of f counts (10/α)² times.
        expect(Math.abs(chosen / minimum - 1)).toBeLessThan(1e-10 * Math.max(1, 1 / alpha ** 2));
      }),
    );
  });

  it('I2: takes twice the last step where f there is no lower, or the parabola has no minimum', () => {
    const options = { slope: -1, last: last(0.6) };
    expect(choose(hagerZhangStep(), at({ f: 5 }), { ...options, phi: () => 5.001 }).alpha).toBe(1.2);
    expect(choose(hagerZhangStep(), at({ f: 0 }), { ...options, phi: (a) => -a }).alpha).toBe(1.2);
    expect(choose(hagerZhangStep(), at({ f: 0 }), { ...options, phi: (a) => -2 * a }).alpha).toBe(1.2);
    expect(choose(hagerZhangStep(), at({ f: 5 }), { ...options, phi: () => NaN }).alpha).toBe(1.2);
    // A parabola made of rounding has its minimum anywhere: no farther than a hundred last steps.
    const nearlyLinear = (a: number) => -a + 1e-14 * a * a;
    expect(choose(hagerZhangStep(), at({ f: 0 }), { ...options, phi: nearlyLinear }).alpha).toBe(60);
    // Just as low: minimum at half of the tenth.
    expect(choose(hagerZhangStep(), at({ f: 5 }), { ...options, phi: () => 5 }).alpha).toBeCloseTo(0.03, 14);
  });

  it('I0: begins with 0.01·‖x‖∞/‖∇f‖∞, at x = 0 with 0.01·|f|/‖∇f‖², and with 1 where f is 0 too', () => {
    expect(choose(hagerZhangStep(), at({ x: [3, -8], gradient: [2, -4] })).alpha).toBeCloseTo(0.02, 15);
    const origin = at({ x: [0, 0], gradient: [3, 4], f: -50 });
    expect(choose(hagerZhangStep(), origin, { slope: -25 }).alpha).toBeCloseTo(0.02, 15);
    expect(choose(hagerZhangStep(), at({ x: [0], f: 0 }), { slope: -25 }).alpha).toBe(1);
  });
});

describe('the first steps of solvers', () => {
  it('gradient descent tries the step that promises as much as the last one did', () => {
    const steps = walk(gradientDescent({ lineSearch: fixedStep() }), hills, 12);
    const slope = (g: number[]) => -g.reduce((sum, value) => sum + value * value, 0);
    const alphas = steps.map(({ before }, k) => {
      const { gradient } = before;
      if (k === 0) return Math.min(1, rootMeanSquare(before.x) / Math.max(...gradient.map(Math.abs)));
      const previous = steps[k - 1];
      const alpha = (previous.alpha * slope(previous.before.gradient)) / slope(gradient);
      return Math.min(alpha, 10 * previous.alpha);
    });
    expect(
      difference(
        steps.map(({ alpha }) => alpha),
        alphas,
      ),
    ).toBeLessThan(1e-12);
    for (const { before, x, alpha } of steps) {
      const expected = before.x.map((value, i) => value - alpha * before.gradient[i]);
      expect(difference(x, expected)).toBeLessThan(1e-12);
    }
  });

  it.each([
    ['lbfgs', lbfgs({ lineSearch: fixedStep() }), 1],
    ['lbfgs within bounds', lbfgs({ lineSearch: fixedStep(), upper: 100 }), 1],
  ])('%s tries a unit step once it has a pair', (_name, solver, expected) => {
    const state = started(solver, hills);
    stepFrom(solver, state, hills);
    expect(stepFrom(solver, state, hills).alpha).toBe(expected);
  });

  it.each([lbfgs(), bfgs(), ssbfgs(), ssbroyden(), conjugateGradient()])(
    'the first steps of $name lead to the minimum in whatever unit x is',
    (solver) => {
      const valley = (unit: number): Problem => ({
        p0: Float64Array.of(-1.2 * unit, unit, 0.5 * unit),
        fg(x, gradient) {
          const [u, v, w] = x.map((value) => value / unit);
          const [a, b, c] = [v - u * u, 1 - u, w - v];
          gradient?.set([-4 * a * u - 2 * b, 2 * a - 2 * c, 2 * c].map((slope) => slope / unit));
          return a * a + b * b + c * c;
        },
      });
      for (const unit of [1e-80, 1e-40, 1e-20, 1e-13, 1, 1e20, 1e100]) {
        const { x, termination } = minimize(valley(unit), solver, { gtol: 0, gRel: 1e-8 });
        expect(termination).toBe('gradientTolerance');
        for (const value of x) expect(value / unit).toBeCloseTo(1, 6);
      }
    },
  );

  it('the first steps by hagerZhangStep() begin with a hundredth of ‖x‖∞/‖∇f‖∞', () => {
    const solver = conjugateGradient({ lineSearch: fixedStep(), initialStep: hagerZhangStep() });
    const [{ alpha, before }] = walk(solver, hills, 1);
    const largest = (v: number[]) => Math.max(...v.map(Math.abs));
    expect(alpha).toBeCloseTo((0.01 * largest(before.x)) / largest(before.gradient), 14);
  });

  it('the first steps of conjugate gradients begin with min(1, rms(x)/‖∇f‖∞)', () => {
    const steps = walk(conjugateGradient({ lineSearch: fixedStep() }), hills, 1);
    const { x, gradient } = steps[0].before;
    const largest = Math.max(...gradient.map(Math.abs));
    expect(steps[0].alpha).toBeCloseTo(Math.min(1, rootMeanSquare(x) / largest), 14);
  });
});
