import { describe, expect, it } from 'vitest';
import {
  adam,
  auto,
  backtracking,
  bfgs,
  conjugateGradient,
  fixedStep,
  gradientDescent,
  hagerZhang,
  lbfgs,
  minimize,
  owlqn,
  sequence,
  slbfgs,
  ssbfgs,
  ssbroyden,
  type Objective,
  type Precision,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { uniform } from '../../bench/problems/random.js';

const EPSILON = { float64: 2 ** -52, float32: 2 ** -23 };

const solvers: Record<string, () => Solver> = {
  auto,
  lbfgs,
  bfgs,
  ssbfgs,
  ssbroyden,
  conjugateGradient,
  slbfgs,
  gradientDescent,
  'lbfgs, Hager–Zhang': () => lbfgs({ lineSearch: hagerZhang() }),
  'lbfgs, backtracking': () => lbfgs({ lineSearch: backtracking() }),
  'lbfgs, fixed step': () => lbfgs({ lineSearch: fixedStep() }),
  'lbfgs in a box': () => lbfgs({ lower: -10, upper: 10 }),
  'slbfgs, transposed': () => slbfgs({ transposed: true }),
  adam: () => adam({ learningRate: 0.1 }),
  owlqn: () => owlqn({ l1: 0.01 }),
  'adam, then lbfgs': () => sequence({ solver: adam({ learningRate: 0.1 }), iterations: 20 }, lbfgs()),
};

type WithPrecision = Omit<Problem, 'precision'> & { precision: Precision };

/** The problem as a loss in float32 has it. */
function rounded(problem: Problem): WithPrecision {
  const { fround } = Math;
  return {
    ...problem,
    precision: 'float32',
    fg(x, gradient) {
      const f = problem.fg(x.map(fround), gradient);
      if (gradient) gradient.set(gradient.map(fround));
      return fround(f);
    },
  };
}

/** A bowl with waves on it, in random units, far from 0 or not. */
function wavyBowl(random: () => number): WithPrecision {
  const n = 1 + Math.floor(4 * random());
  const decade = Math.floor(10 * random());
  const offset = decade === 0 ? 0 : (random() < 0.5 ? -1 : 1) * 10 ** (3 + decade);
  const unit = random() < 0.3 ? 10 ** (8 * random() - 4) : 1;
  const [height, frequency] = [10 ** (4 * random() - 2), 10 ** (1.5 * random() - 0.5)];
  const curvatures = Array.from({ length: n }, () => 10 ** (3 * random() - 2));
  const problem: Problem = {
    p0: Float64Array.from({ length: n }, () => unit * (6 * random() - 3)),
    fg(x, gradient) {
      let f = offset;
      curvatures.forEach((c, i) => {
        const u = x[i] / unit;
        f += c * u * u + height * Math.sin(frequency * u + i);
        if (gradient) gradient[i] = (2 * c * u + height * frequency * Math.cos(frequency * u + i)) / unit;
      });
      return f;
    },
  };
  return random() < 0.2 ? rounded(problem) : { ...problem, precision: 'float64' };
}

describe('where a run ends', () => {
  it.each(Object.entries(solvers))('is never above its start or its trace, by %s', (_, solver) => {
    const random = uniform(7);
    for (let run = 0; run < 150; run++) {
      const problem = wavyBowl(random);
      const { f, trace, message } = minimize(problem, solver(), { maxEvaluations: 1500 });
      // Half a dozen units in the last place, of f or of what it is a sum of.
      const noise = 8 * EPSILON[problem.precision] * Math.max(1, ...trace.map((entry) => Math.abs(entry.f)));
      expect(f - trace[0].f).toBeLessThanOrEqual(noise);
      expect(f - Math.min(...trace.map((entry) => entry.f))).toBeLessThanOrEqual(noise);
      expect(message).not.toMatch(/contradicts/);
    }
  });

  it('is below the start where a step of L-BFGS used to climb out of the valley', () => {
    const fg: Objective = ([x], gradient) => {
      gradient?.set([0.02 * x + 5.5 * Math.cos(5.5 * x)]);
      return 1e6 + 0.01 * x * x + Math.sin(5.5 * x);
    };
    const { f, trace, converged } = minimize({ p0: Float64Array.of(1.75), fg }, lbfgs(), { gtol: 1e-6 });
    expect(converged).toBe(true);
    expect(f).toBe(Math.min(...trace.map((entry) => entry.f)));
    expect(f).toBeLessThan(1e6 - 0.9);
  });

  it.each([1e-300, 1e-160, 1e160, 1e280])('is the minimum of f scaled by %d', (scale) => {
    const fg: Objective = ([a, b], gradient) => {
      gradient?.set([scale * (2 * (a - 1) - 400 * a * (b - a * a)), scale * 200 * (b - a * a)]);
      return scale * ((1 - a) ** 2 + 100 * (b - a * a) ** 2);
    };
    for (const solver of [lbfgs(), bfgs(), ssbfgs(), ssbroyden(), conjugateGradient()]) {
      const result = minimize({ p0: Float64Array.of(-1.2, 1), fg }, solver, { gtol: scale * 1e-8 });
      expect(result.converged).toBe(true);
      expect(Math.abs(result.x[0] - 1)).toBeLessThan(1e-6);
      expect(result.gradientNorm).toBeLessThanOrEqual(scale * 1e-8);
    }
  });

  it('says that the start already met the tolerance, and how to ask for more', () => {
    const fg: Objective = ([x], gradient) => {
      gradient?.set([2e-9 * x]);
      return 1e-9 * x * x;
    };
    const problem = { p0: Float64Array.of(3), fg };
    const { iterations, message, converged } = minimize(problem, lbfgs());
    expect({ iterations, converged }).toEqual({ iterations: 0, converged: true });
    expect(message).toMatch(/The start already meets the tolerance: .* = 6.00e-9 .*gRel: 1e-6/);
    const further = minimize(problem, lbfgs(), { gtol: 0, gRel: 1e-6 });
    expect(Math.abs(further.x[0])).toBeLessThan(1e-5);
    expect(further.message).toBe('The gradient norm fell below its tolerance.');
  });
});

describe('a gentle slope in float32', () => {
  const plateau = rounded({
    p0: Float64Array.of(100),
    fg([x], gradient) {
      const u = x / 10;
      const d = 1 + u ** 4;
      gradient?.set([(4 * u ** 3) / 10 / (d * d)]);
      return 1 - 1 / d;
    },
  });

  it.each([lbfgs(), bfgs(), ssbroyden(), lbfgs({ lineSearch: hagerZhang() }), conjugateGradient()])(
    'is followed until f resolves it, by $name',
    (solver) => {
      const { f, x } = minimize(plateau, solver);
      expect(f).toBeLessThan(1e-8);
      expect(Math.abs(x[0])).toBeLessThan(0.1);
    },
  );
});

describe('unknowns in odd units', () => {
  /** Fits the phase of a daily wave, in milliseconds since 1970. */
  const times = Array.from({ length: 50 }, (_, i) => 1.7e12 + i * 3.6e6);
  const omega = (2 * Math.PI) / 8.64e7;
  const phase: Problem = {
    p0: Float64Array.of(1.7e12),
    fg([t0], gradient) {
      let [f, slope] = [0, 0];
      for (const t of times) {
        const r = Math.sin(omega * (t - t0)) - Math.sin(omega * (t - 1.7e12 - 5e6));
        f += r * r;
        slope -= 2 * r * Math.cos(omega * (t - t0)) * omega;
      }
      gradient?.set([slope]);
      return f;
    },
  };

  it.each([auto(), lbfgs(), bfgs(), lbfgs({ lower: 0 }), lbfgs({ lineSearch: hagerZhang() })])(
    'are found where a step is far below their size, by $name',
    (solver) => {
      const { x, converged } = minimize(phase, solver, { gtol: 0, gRel: 1e-6 });
      expect(converged).toBe(true);
      expect(Math.abs(x[0] - 1.7e12 - 5e6)).toBeLessThan(5);
    },
  );

  const rosenbrock = (unit: number): Problem => ({
    p0: Float64Array.of(-1.2, 1, -1.2, 1, -1.2).map((value) => value * unit),
    fg(x, gradient) {
      const y = x.map((value) => value / unit);
      const g = new Float64Array(5);
      let f = 0;
      for (let i = 0; i < 4; i++) {
        const [a, b] = [y[i + 1] - y[i] ** 2, 1 - y[i]];
        f += 100 * a * a + b * b;
        g[i] += -400 * a * y[i] - 2 * b;
        g[i + 1] += 200 * a;
      }
      gradient?.set(g.map((value) => value / unit));
      return f;
    },
  });

  it.each([1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12])(
    'unknowns in odd units of %d take no more than three times the evaluations',
    (unit) => {
      for (const solver of [lbfgs(), bfgs(), ssbfgs(), ssbroyden(), conjugateGradient()]) {
        const usual = minimize(rosenbrock(1), solver, { gtol: 1e-6 }).evaluations.f;
        const { f, converged, evaluations } = minimize(rosenbrock(unit), solver, { gtol: 1e-6 / unit });
        expect(converged).toBe(true);
        expect(f).toBeLessThan(1e-10);
        expect(evaluations.f).toBeLessThan(3 * usual);
      }
    },
  );

  it.each([40, 60, 100, 300])('exp(x) − x is minimized from x = %d', (start) => {
    const fg: Objective = ([x], gradient) => {
      gradient?.set([Math.exp(x) - 1]);
      return Math.exp(x) - x;
    };
    for (const solver of [lbfgs(), bfgs(), ssbfgs(), ssbroyden()]) {
      const { x, evaluations } = minimize({ p0: Float64Array.of(start), fg }, solver);
      expect(Math.abs(x[0])).toBeLessThan(1e-6);
      expect(evaluations.f).toBeLessThan(500);
    }
  });
});

describe('a wrong gradient', () => {
  /** A quadratic plus a coupling, whose gradient is right but for one element. */
  function wrongProblem(random: () => number): Problem & { precision: Precision; changed: string } {
    const n = 1 + Math.floor(4 * random());
    const element = Math.floor(n * random());
    const changed = random() < 0.5 ? 'sign' : 'missing';
    const offset = [0, 1, -1, 1e4][Math.floor(4 * random())];
    const curvatures = Array.from({ length: n }, () => 10 ** (4 * random() - 2));
    const targets = Array.from({ length: n }, () => 4 * random() - 2);
    const coupling = 3 * random();
    return {
      changed,
      precision: 'float64',
      p0: Float64Array.from({ length: n }, () => 6 * random() - 3),
      fg(x, gradient) {
        const g = new Float64Array(n);
        let f = offset;
        for (let i = 0; i < n; i++) {
          const d = x[i] - targets[i];
          f += curvatures[i] * d * d + d ** 4;
          g[i] += 2 * curvatures[i] * d + (changed === 'missing' && i === element ? 0 : 4 * d ** 3);
          if (i === 0) continue;
          const e = x[i] - x[i - 1] ** 2;
          f += coupling * e * e;
          g[i] += 2 * coupling * e;
          g[i - 1] -= 4 * coupling * e * x[i - 1];
        }
        if (changed === 'sign') g[element] *= -1;
        gradient?.set(g);
        return f;
      },
    };
  }

  it.each([
    lbfgs(),
    bfgs(),
    ssbroyden(),
    conjugateGradient(),
    gradientDescent(),
    lbfgs({ lineSearch: hagerZhang() }),
    lbfgs({ lineSearch: backtracking() }),
    lbfgs({ lower: -1e3, upper: 1e3 }),
  ])('is named at the end, never taken for the precision of f, by $name', (solver) => {
    const random = uniform(3);
    for (let run = 0; run < 60; run++) {
      const { termination, message } = minimize(wrongProblem(random), solver, { maxEvaluations: 20_000 });
      expect(['gradientMismatch', 'gradientTolerance', 'maxIterations', 'unbounded']).toContain(termination);
      const isNamed = /f changes by .* predict .*checkGradient/.test(message);
      expect(isNamed).toBe(termination === 'gradientMismatch');
    }
  });

  it('a wrong gradient of the other sign ends with both changes of f in its message', () => {
    const fg: Objective = (x, gradient) => {
      gradient?.fill(-1);
      return x[0] + x[1];
    };
    for (const solver of [lbfgs(), slbfgs(), lbfgs({ lineSearch: backtracking() })]) {
      const { termination, message, converged, f } = minimize({ p0: Float64Array.of(1, 1), fg }, solver);
      expect({ termination, converged, f }).toEqual({
        termination: 'gradientMismatch',
        converged: false,
        f: 2,
      });
      expect(message).toMatch(/f changes by 2.000e-4 along a line where its gradients predict -2.000e-4/);
    }
  });

  it('is not suspected at a kink', () => {
    const fg: Objective = ([a, b], gradient) => {
      gradient?.set([a > 0.3 ? 2 : -2, 2 * (b - 1)]);
      return 2 * Math.abs(a - 0.3) + (b - 1) ** 2;
    };
    for (const solver of [lbfgs(), bfgs(), conjugateGradient(), ssbroyden()]) {
      const { termination, x } = minimize({ p0: Float64Array.of(-1, 3), fg }, solver);
      expect(termination).not.toBe('gradientMismatch');
      expect(Math.abs(x[0] - 0.3)).toBeLessThan(1e-3);
    }
  });
});
