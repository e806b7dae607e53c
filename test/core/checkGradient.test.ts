import { describe, expect, it } from 'vitest';
import {
  checkGradient,
  checkGradientAsync,
  layoutOf,
  runSync,
  vectorParams,
  type GradientCheck,
  type Problem,
} from 'quasi-newton';
import { sine } from '../../bench/problems/sine.js';
import { judge } from '../../src/core/slope.ts';
import { rosenbrock } from './functions.ts';

/** Numbers in [0, 1), the same for the same seed. */
function randomNumbers(seed: number) {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** A function of z, `[n]`, that adds its gradient. */
type Term = (z: readonly number[], gradient: number[]) => number;

const terms: Record<string, Term> = {
  valley(z, g) {
    let f = 0;
    for (let i = 0; i + 1 < z.length; i++) {
      const a = z[i + 1] - z[i] ** 2;
      f += 10 * a * a + (1 - z[i]) ** 2;
      g[i] += -40 * a * z[i] - 2 * (1 - z[i]);
      g[i + 1] += 20 * a;
    }
    const last = z.length - 1;
    g[last] += 4 * (z[last] + 1) ** 3;
    return f + (z[last] + 1) ** 4;
  },
  waves(z, g) {
    let f = 0;
    z.forEach((value, i) => {
      f += Math.sin(value + i);
      g[i] += Math.cos(value + i);
    });
    return f;
  },
  exponentials(z, g) {
    const sum = z.reduce((total, value, i) => total + Math.exp(value - 0.1 * i), 0);
    z.forEach((value, i) => (g[i] += Math.exp(value - 0.1 * i) / sum));
    return Math.log(sum);
  },
  product(z, g) {
    const logarithm = z.reduce((total, value) => total + Math.log1p(value * value), 0);
    const f = Math.exp(0.3 * logarithm);
    z.forEach((value, i) => (g[i] += (f * 0.6 * value) / (1 + value * value)));
    return f;
  },
  neuron(z, g) {
    const t = Math.tanh(z.reduce((total, value, i) => total + value * Math.cos(i + 1), 0.3));
    z.forEach((_, i) => (g[i] += 2 * (t - 2) * (1 - t * t) * Math.cos(i + 1)));
    return (t - 2) ** 2;
  },
};

interface Case {
  readonly right: Problem;
  readonly name: string;
  /** The gradient without its second term. */
  readonly partial: Problem;
}

/** f = unit·(a(z) + b(z)), zᵢ = xᵢ / unitᵢ, all units random. */
function randomCase(seed: number, float32: boolean, decades: number): Case {
  const random = randomNumbers(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const unit = () => 10 ** (decades * (2 * random() - 1));
  const n = 1 + Math.floor(random() * 5);
  const units = Array.from({ length: n }, unit);
  const z0 = units.map(() => (random() < 0.5 ? -1 : 1) * (0.1 + 2 * random()));
  const names = Object.keys(terms);
  const [first, second] = [pick(names), pick(names)];
  const fUnit = unit();
  const fgOf = (used: readonly string[]): Problem['fg'] => {
    return (x, gradient) => {
      const z = units.map((size, i) => x[i] / size);
      const g = z.map(() => 0);
      let f = 0;
      for (const name of [first, second]) {
        const own = z.map(() => 0);
        f += terms[name](z, own);
        if (used.includes(name)) own.forEach((value, i) => (g[i] += value));
      }
      gradient?.set(g.map((value, i) => (fUnit * value) / units[i]));
      if (!float32) return fUnit * f;
      gradient?.forEach((value, i) => (gradient[i] = Math.fround(value)));
      return Math.fround(fUnit * f);
    };
  };
  const p0 = Float64Array.from(z0, (value, i) => {
    const x = value * units[i];
    return float32 ? Math.fround(x) : x;
  });
  const precision = float32 ? 'float32' : 'float64';
  return {
    name: `${seed}: ${first} + ${second}, n = ${n}`,
    right: { p0, precision, fg: fgOf([first, second]) },
    partial: { p0, precision, fg: fgOf([first]) },
  };
}

/** The problem with one element of its gradient multiplied. */
const withFactor = (problem: Problem, index: number, factor: number): Problem => ({
  ...problem,
  fg(x, gradient) {
    const f = problem.fg(x, gradient);
    if (gradient) gradient[index] *= factor;
    return f;
  },
});

/** True if an element is called wrong, or said not to be determined. */
const isNoticed = ({ wrong, undetermined }: GradientCheck, index: number) =>
  [...wrong, ...undetermined].some((element) => element.index === index);

/**
 * Mean squared error of a network 2-6-(max of pairs)3-1 with ReLU; biases are 0, and a third of the inputs too, so that
 * some samples lie exactly on kinks.
 */
function network(seed: number, samples: number, float32: boolean): Problem {
  const random = randomNumbers(seed);
  const normal = () => random() + random() + random() + random() - 2;
  const round = float32 ? Math.fround : Number;
  const data = Array.from({ length: samples }, () => {
    const input = random() < 0.33 ? [0, 0] : [normal(), normal()];
    return { input: input.map(round), target: round(normal()) };
  });
  const p0 = Float64Array.from({ length: 6 * 3 + 3 + 1 }, (_, i) =>
    i % 3 === 2 && i < 18 ? 0 : round(normal()),
  );
  return {
    p0,
    precision: float32 ? 'float32' : 'float64',
    fg(x, gradient) {
      const g = new Float64Array(x.length);
      let f = 0;
      for (const { input, target } of data) {
        const hidden = [0, 1, 2, 3, 4, 5].map((j) =>
          Math.max(0, round(round(x[3 * j] * input[0] + x[3 * j + 1] * input[1]) + x[3 * j + 2])),
        );
        const winners = [0, 1, 2].map((k) => (hidden[2 * k] >= hidden[2 * k + 1] ? 2 * k : 2 * k + 1));
        const output = winners.reduce((sum, j, k) => round(sum + round(x[18 + k] * hidden[j])), x[21]);
        const error = round(output - target);
        f = round(f + round(error * error) / samples);
        const slope = (2 * error) / samples;
        g[21] += slope;
        winners.forEach((j, k) => {
          g[18 + k] += slope * hidden[j];
          if (hidden[j] <= 0) return;
          g[3 * j] += slope * x[18 + k] * input[0];
          g[3 * j + 1] += slope * x[18 + k] * input[1];
          g[3 * j + 2] += slope * x[18 + k];
        });
      }
      gradient?.set(g.map(round));
      return f;
    },
  };
}

describe.each([
  { precision: 'float64', factor: 1.01, decades: 12, runs: 300 },
  { precision: 'float64', factor: 1.01, decades: 150 / 2, runs: 100 },
  { precision: 'float32', factor: 2, decades: 6, runs: 300 },
])('$precision, units of 1e±$decades', ({ precision, factor, decades, runs }) => {
  const float32 = precision === 'float32';
  const cases = Array.from({ length: runs }, (_, seed) => randomCase(seed, float32, decades));

  it('calls no right gradient wrong', () => {
    const found = cases.map(({ name, right }) => ({ name, check: checkGradient(right) }));
    const wrong = found.filter(({ check }) => !check.ok);
    expect(wrong.map(({ name, check }) => `${name}: ${check.message}`)).toEqual([]);
    const count = (pick: (check: GradientCheck) => number) =>
      found.reduce((sum, { check }) => sum + pick(check), 0);
    const undetermined = count((check) => check.undetermined.length);
    expect(undetermined / count((check) => check.checked)).toBeLessThan(float32 ? 0.03 : 0.01);
  });

  it('notices every wrong sign and factor', () => {
    const missed: string[] = [];
    for (const { name, right } of cases) {
      const index = Math.floor(right.p0.length / 2);
      for (const by of [-1, factor, 1 / factor, 0]) {
        const check = checkGradient(withFactor(right, index, by));
        if (!isNoticed(check, index)) missed.push(`${name}, times ${by}: ${check.message}`);
      }
    }
    expect(missed).toEqual([]);
  });

  it('notices a missing term', () => {
    const missed: string[] = [];
    for (const { name, right, partial } of cases) {
      const truth = new Float64Array(right.p0.length);
      right.fg(right.p0, truth);
      const given = new Float64Array(right.p0.length);
      partial.fg(right.p0, given);
      const check = checkGradient(partial);
      truth.forEach((value, index) => {
        const error = Math.abs(given[index] - value) / Math.max(Math.abs(value), Math.abs(given[index]));
        const least = float32 ? 0.5 : 0.01;
        if (error > least && !isNoticed(check, index)) missed.push(`${name}, ${index}: ${check.message}`);
      });
    }
    expect(missed).toEqual([]);
  });
});

describe('scales', () => {
  it.each([1e-150, 1e-12, 1e-6, 1e-4, 1, 1e6, 1e12, 1e150])(
    'a sine of period %d is judged, whatever the size of f',
    (s) => {
      for (const size of [1e-150, 1e-6, 1, 1e6, 1e150]) {
        for (const at of [0.7, -2, 1e-3]) {
          const problem: Problem = {
            p0: Float64Array.of(at * s),
            fg([x], g) {
              g?.fill((size * Math.cos(x / s)) / s);
              return size * Math.sin(x / s);
            },
          };
          expect(checkGradient(problem)).toMatchObject({ ok: true, undetermined: [] });
          expect(checkGradient(withFactor(problem, 0, -1)).ok).toBe(false);
          expect(checkGradient(withFactor(problem, 0, 1.01)).ok).toBe(false);
        }
      }
    },
  );

  it.each([1e12, 1.7e12, -1e9, 1e4])('an unknown near %d, where f varies over 1, is judged', (offset) => {
    const problem: Problem = {
      p0: Float64Array.of(offset + 0.5, offset - 1),
      fg([x, y], g) {
        const [a, b] = [x - offset, y - offset];
        g?.set([2 * a + Math.cos(a) * b, 4 * b ** 3 + Math.sin(a)]);
        return a * a + b ** 4 + Math.sin(a) * b;
      },
    };
    expect(checkGradient(problem)).toMatchObject({ ok: true, undetermined: [] });
    for (const index of [0, 1]) {
      for (const factor of [-1, 1.01, 0]) {
        expect(checkGradient(withFactor(problem, index, factor)).wrong).toMatchObject([{ index }]);
      }
    }
  });
});

describe('rounding', () => {
  it('that f brings along does not make a right gradient wrong', () => {
    for (const size of [1e3, 1e6, 1e9]) {
      for (const at of [0.3, -1, 2, 50]) {
        const problem: Problem = {
          p0: Float64Array.of(at, 1),
          fg([x, y], g) {
            g?.set([Math.cos(x), 2 * y]);
            return size + (Math.sin(x) + y * y) - size; // rounds to units of size·ε
          },
        };
        expect(checkGradient(problem).wrong).toEqual([]);
        expect(checkGradient(withFactor(problem, 0, -1)).wrong).toMatchObject([{ index: 0 }]);
      }
    }
  });

  it('is named in the message if it hides the slope', () => {
    const buried: Problem = {
      p0: Float64Array.of(1, 1),
      fg([x, y], g) {
        g?.set([1e-13, 2 * y]);
        return 1 + 1e-13 * x + y * y;
      },
    };
    for (const problem of [buried, withFactor(buried, 0, -1)]) {
      const check = checkGradient(problem);
      expect(check).toMatchObject({ ok: true, undetermined: [{ index: 0 }] });
      expect(check.message).toMatch(
        /agrees with f in 1 of the 2 elements checked.*Not determined, because rounding .*: 1 element \(0\)/,
      );
    }
  });

  it('leaves a gradient at a minimum undetermined or right, never wrong', () => {
    const { fg } = rosenbrock();
    expect(checkGradient({ p0: Float64Array.of(1, 1), fg }).wrong).toEqual([]);
    expect(checkGradient({ p0: Float64Array.of(1 + 1e-11, 1), fg }).wrong).toEqual([]);
  });
});

describe('an unknown that is 0', () => {
  const tiny: Problem = {
    p0: Float64Array.of(0, 1e9),
    fg([x, y], g) {
      g?.set([3e9 * Math.cos(3e9 * x + 1), y / 1e18]);
      return Math.sin(3e9 * x + 1) + (y / 1e9) ** 2 / 2;
    },
  };

  it.each([undefined, [1e-9, 1e9]])(
    'an unknown that is 0 and varies over 1e-9 is judged with the scale %j',
    (scale) => {
      const options = scale && { scale };
      expect(checkGradient(tiny, options)).toMatchObject({ ok: true, undetermined: [] });
      for (const factor of [-1, 1.01, 0]) {
        expect(checkGradient(withFactor(tiny, 0, factor), options).wrong).toMatchObject([{ index: 0 }]);
      }
    },
  );

  it('takes a scale for all, or one for each', () => {
    const faults = (scale: unknown) => () => checkGradient(tiny, { scale } as never);
    for (const scale of [0, -1, Infinity, NaN, '1', [1], [1, 0], Float64Array.of(1, NaN), null]) {
      expect(faults(scale)).toThrow(/scale: must be a finite number > 0, or an array of 2 of them, got/);
    }
    expect(checkGradient(tiny, { scale: Float64Array.of(1e-9, 1e9) }).ok).toBe(true);
  });
});

describe('kinks', () => {
  const absolute = (slope: number): Problem => ({
    p0: Float64Array.of(0, 2),
    fg([x, y], g) {
      g?.set([slope, 2 * y]);
      return Math.abs(x) + y * y;
    },
  });

  it('allow any slope between the one-sided ones', () => {
    for (const slope of [-1, -0.3, 0, 0.5, 1]) {
      const check = checkGradient(absolute(slope));
      expect(check.ok).toBe(true);
      // The slope 0 is that of symmetric differences too.
      expect(check.kinks).toHaveLength(slope === 0 ? 0 : 1);
    }
    expect(checkGradient(absolute(0.5)).message).toMatch(
      /agrees .* all 2 elements checked\. At a kink of f, between its one-sided slopes: 1 element \(0\)\./,
    );
  });

  it('allow no other', () => {
    for (const slope of [-1.01, 1.01, 2, -100]) {
      expect(checkGradient(absolute(slope)).wrong).toMatchObject([{ index: 0 }]);
    }
  });

  it.each([
    ['float64', 1],
    ['float64', 20],
    ['float32', 1],
    ['float32', 20],
  ] as const)('kinks of a network in %s with %d samples hide no wrong factor', (precision, samples) => {
    let judged = 0;
    let called = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const right = network(seed, samples, precision === 'float32');
      const check = checkGradient(right);
      expect(check.wrong).toEqual([]);
      expect(check.undetermined.length).toBeLessThan(4);
      const isSmooth = (index: number) =>
        right.p0[index] !== 0 && !check.kinks.some((element) => element.index === index);
      const gradient = new Float64Array(right.p0.length);
      right.fg(right.p0, gradient);
      for (const index of [0, 4, 7, 19, 21]) {
        if (gradient[index] === 0 || !isSmooth(index)) continue;
        for (const factor of [-1, 2]) {
          const wrong = checkGradient(withFactor(right, index, factor));
          expect(isNoticed(wrong, index)).toBe(true);
          judged++;
          if (!wrong.ok) called++;
        }
      }
    }
    expect(called / judged).toBeGreaterThan(0.95);
  });

  it('is no excuse for a gradient that jumps where f does not', () => {
    const smooth: Problem = {
      p0: Float64Array.of(0.5),
      fg([x], g) {
        g?.fill(0.99 * 3 * x * x);
        return x ** 3;
      },
    };
    expect(checkGradient(smooth).wrong).toHaveLength(1);
  });
});

describe('checkGradient', () => {
  const wrong: Problem = {
    p0: Float64Array.of(1, 2, 3),
    params: vectorParams(new Float64Array(3), {
      length: 3,
      tensors: [
        { name: 'kernel', shape: [2], offset: 0, size: 2 },
        { name: 'bias', shape: [1], offset: 2, size: 1 },
      ],
    }),
    fg(x, g) {
      g?.set([2 * x[0], 2 * x[1], -2 * x[2]]);
      return x[0] ** 2 + x[1] ** 2 + x[2] ** 2;
    },
  };

  it('says where a gradient disagrees with its loss', async () => {
    const check = checkGradient(wrong);
    expect(check.ok).toBe(false);
    expect(check.wrong.map(({ index, tensor }) => ({ index, tensor }))).toEqual([
      { index: 2, tensor: 'bias' },
    ]);
    expect(check.message).toMatch(/1 of 3 elements; worst is element 2 \(of "bias"\): -6 against 6\.0000/);
    expect(await checkGradientAsync(wrong)).toEqual(check);
  });

  it('judges each element by the sizes of the unknown, its tensor and f', () => {
    const random = randomNumbers(5);
    for (let run = 0; run < 200; run++) {
      const precision = run % 2 === 0 ? 'float64' : 'float32';
      const round = precision === 'float32' ? Math.fround : Number;
      const [unit, size, offset] = [1e-4, 1e3, 1e-2].map((base) => (random() < 0.5 ? 1 : base));
      const p0 = Float64Array.of(0, 3 * unit * random(), -2 * unit, 0, random() - 0.5);
      const factors = [...p0].map(() => (random() < 0.3 ? 1.5 : random() < 0.1 ? 0 : 1));
      const slopeAt = (x: Float64Array, i: number) => (size * Math.cos(x[i] / unit + i)) / unit;
      const asked: number[][] = [];
      const layout = layoutOf([
        { name: 'a', shape: [3] },
        { name: 'b', shape: [2] },
      ]);
      const params = run % 3 === 0 ? undefined : vectorParams(new Float64Array(5), layout);
      const fg: Problem['fg'] = (x, g) => {
        asked.push([...x]);
        g?.set([...x].map((_, i) => round(factors[i] * slopeAt(x, i))));
        return round(size * (offset + x.reduce((sum, value, i) => sum + Math.sin(value / unit + i), 0)));
      };
      const scale = run % 5 === 0 ? [unit, 2 * unit, unit, 3, 1] : undefined;
      const problem: Problem = { p0, precision, fg, ...(params && { params }) };
      const check = checkGradient(problem, scale && { scale });

      const x = p0.map(round);
      const gradient = new Float64Array(5);
      const evaluations = asked.splice(0);
      const f = fg(x, gradient);
      const rootMeanSquare = (values: Float64Array) => {
        const most = Math.max(...values.map(Math.abs));
        return most * Math.sqrt(values.reduce((sum, v) => sum + (v / most) ** 2, 0) / values.length);
      };
      const wanted = [...x].map((value, index) => {
        const tensor = index < 3 ? 'a' : 'b';
        const others = params === undefined ? x : index < 3 ? x.slice(0, 3) : x.slice(3);
        const typical = rootMeanSquare(others);
        const reach = Math.abs(f / gradient[index]);
        const sizes = scale
          ? { size: scale[index], largest: scale[index] }
          : {
              size: Math.abs(value) || typical,
              largest: Math.max(Math.abs(value), typical, 1, reach < Infinity ? reach : 0),
            };
        const tolerance = precision === 'float32' ? 1e-2 : 1e-5;
        const turns = judge({ x, f, precision, tolerance }, { index, gradient: gradient[index], ...sizes });
        const { judgment, difference } = runSync(turns, problem);
        const most = Math.max(Math.abs(gradient[index]), Math.abs(difference));
        const error = most === 0 ? 0 : Math.abs(gradient[index] - difference) / most;
        const element = {
          index,
          tensor: params ? tensor : null,
          gradient: gradient[index],
          difference,
          error,
        };
        return { judgment, element };
      });
      expect(evaluations).toEqual(asked);
      const byError = wanted.toSorted((a, b) => b.element.error - a.element.error);
      const those = (word: string) =>
        byError.filter(({ judgment }) => judgment === word).map(({ element }) => element);
      expect(check).toMatchObject({
        ok: those('wrong').length === 0,
        checked: 5,
        wrong: those('wrong'),
        kinks: those('kink'),
        undetermined: those('undetermined'),
        worst: those('wrong')[0] ?? byError[0].element,
      });
    }
  });

  it('checks the requested number of elements, spread over all', () => {
    const p0 = Float64Array.from({ length: 10 }, (_, i) => i + 1);
    const problem: Problem = {
      p0,
      fg(x, g) {
        g?.set(x.map((value) => -value));
        return x.reduce((sum, value) => sum + (value * value) / 2, 0);
      },
    };
    const checkedWith = (maxElements: number) =>
      checkGradient(problem, { maxElements })
        .wrong.map(({ index }) => index)
        .toSorted((a, b) => a - b);
    expect(checkedWith(4)).toEqual([0, 3, 6, 9]);
    expect(checkedWith(10)).toHaveLength(10);
    expect(checkedWith(99)).toHaveLength(10);
    expect(checkedWith(1)).toEqual([0]);
    expect(checkedWith(Infinity)).toHaveLength(10);
  });

  it('has an error of 0 in an element on which f does not depend, and of 1 where a slope is missing', () => {
    const problem = (slope: number): Problem => ({
      p0: Float64Array.of(1, 2, 0),
      fg([x], g) {
        g?.set([2 * x, slope, slope]);
        return x * x;
      },
    });
    expect(checkGradient(problem(0))).toMatchObject({ ok: true, undetermined: [], worst: { index: 0 } });
    expect(checkGradient(problem(1)).wrong).toMatchObject([
      { index: 1, gradient: 1, difference: 0, error: 1 },
      { index: 2, gradient: 1, difference: 0, error: 1 },
    ]);
  });

  it('puts the worst first, NaN before all, and lists the others by their index', () => {
    const slopes = [0.5, -0.5, 0.1, 0.7, -0.3, 0.2, 0];
    const problem: Problem = {
      p0: new Float64Array(7),
      fg(x, g) {
        g?.set([...slopes.slice(0, 5), NaN, 3]);
        return x.reduce((sum, value, i) => sum + (i < 5 ? Math.abs(value) : i === 5 ? value : 2 * value), 0);
      },
    };
    const check = checkGradient(problem);
    expect(check.wrong.map(({ index }) => index)).toEqual([5, 6]);
    expect(check.worst).toMatchObject({ index: 5, gradient: NaN, error: NaN });
    expect(check.message).toBe(
      'The gradient disagrees with f in 2 of 7 elements; worst is element 5: NaN against 1.000000 by differences. ' +
        'At a kink of f, between its one-sided slopes: 5 elements (0, 1, 2, …).',
    );
    const three = checkGradient({
      ...problem,
      p0: new Float64Array(3),
      fg: (x, g) => (g?.fill(0.5), Math.abs(x[0]) + Math.abs(x[1]) + Math.abs(x[2])),
    });
    expect(three.message).toBe(
      'The gradient agrees with f in all 3 elements checked. At a kink of f, between its one-sided slopes: 3 elements (0, 1, 2).',
    );
  });

  it('lists kinks by index, whatever their errors, and names none where there are none', () => {
    const check = checkGradient({
      p0: new Float64Array(2),
      fg: (x, g) => (g?.set([1.5, -0.5]), Math.abs(x[0]) + Math.abs(x[1]) + x[0]),
    });
    expect(check.kinks.map(({ index }) => index)).toEqual([1, 0]);
    expect(check.message).toContain('2 elements (0, 1).');
    const line = checkGradient({ p0: Float64Array.of(1), fg: ([x], g) => (g?.fill(2), 2 * x) });
    expect(line.message).toBe('The gradient agrees with f in all 1 elements checked.');
  });

  it.each([
    [1e-20, 1],
    [1, 1e-18],
  ])('goes up to steps over which f shows its slope: x = %d, slope %d', (x0, slope) => {
    const line = (gradient: number): Problem => ({
      p0: Float64Array.of(x0),
      fg: ([x], g) => (g?.fill(gradient), 1 + slope * x),
    });
    const { ok, worst } = checkGradient(line(slope));
    expect(ok).toBe(true);
    expect(Math.abs(worst.difference / slope - 1)).toBeLessThan(0.1);
  });

  it.each([NaN, Infinity, -Infinity])('needs a point where f is finite, not %d', (value) => {
    expect(() => checkGradient({ p0: Float64Array.of(1), fg: () => value })).toThrow(
      new RangeError(`checkGradient: f is ${value} at the point checked; check where it is finite.`),
    );
  });

  it('allows for float32', () => {
    const { p0, fg } = sine(4);
    const rounded: Problem = {
      p0,
      precision: 'float32',
      fg: (x, g) => Math.fround(fg(x, g)),
    };
    expect(checkGradient(rounded).ok).toBe(true);
    expect(checkGradient({ p0, fg }).ok).toBe(true);
  });

  it('finds a NaN', () => {
    const { p0, fg } = rosenbrock();
    const check = checkGradient({
      p0,
      fg(x, g) {
        const f = fg(x, g);
        if (g) g[1] = NaN;
        return f;
      },
    });
    expect(check.wrong.map(({ index }) => index)).toEqual([1]);
  });

  it('puts the parameters back, also where a value throws', () => {
    const { p0, fg } = rosenbrock();
    const own = Float64Array.of(7, -0);
    const params = vectorParams(own);
    let left = Infinity;
    const problem: Problem = {
      p0,
      params,
      fg(x, g) {
        if (left-- <= 0) throw new Error('enough');
        params.copyFrom(x);
        return fg(x, g);
      },
    };
    const at = Float64Array.of(0.5, 0.25);
    checkGradient(problem, { at });
    expect(own).toEqual(Float64Array.of(7, -0));
    left = 2;
    expect(() => checkGradient(problem)).toThrow('enough');
    expect(own).toEqual(Float64Array.of(7, -0));
  });

  it('sees that a gradient is not written', () => {
    const { p0, fg } = rosenbrock();
    const check = checkGradient({ p0, fg: (x) => fg(x, null) });
    expect(check.wrong).toHaveLength(2);
    expect(check.message).toMatch(/NaN against/);
  });

  it('refuses what is no problem', async () => {
    expect(() => checkGradient({} as never)).toThrow(/checkGradient: problem must be an object \{ p0, fg \}/);
    await expect(checkGradientAsync(undefined as never)).rejects.toThrow(
      /checkGradientAsync: problem must be/,
    );
  });

  it.each([[[1, 2]], [Float32Array.of(1, 2)], [Float64Array.of(1)], [null]])(
    'takes no point but a Float64Array of its length, not %o',
    (at) => {
      expect(() => checkGradient(rosenbrock(), { at: at as never })).toThrow(
        /^checkGradient: at: must be a Float64Array\(2\), got /,
      );
    },
  );

  it('checks its options', () => {
    expect(() => checkGradient(rosenbrock(), { at: new Float64Array(3), tolerance: -1 })).toThrow(
      'checkGradient: 2 options are wrong:\n  at: must be a Float64Array(2), got Float64Array(3).\n  tolerance: must be a number > 0, got -1.',
    );
  });
});

describe('a derivative of 0 that is wrong', () => {
  it('is found at 0, although steps far below the scale of the unknown do not change f', () => {
    const cube = (x: number) => (79410 * x - 1) ** 3;
    const fg = (x: Float64Array, gradient: Float64Array | null) => (gradient?.set([0]), cube(x[0]));
    const { ok, wrong } = checkGradient({ p0: new Float64Array(1), fg });
    expect([ok, wrong.map(({ index }) => index)]).toEqual([false, [0]]);
  });

  it('is not taken for right where the rounding of a large f hides the slope', () => {
    const fg = (x: Float64Array, gradient: Float64Array | null) => {
      gradient?.set([0]);
      return Math.fround(1e6 + (x[0] - 1) ** 2);
    };
    const { undetermined } = checkGradient({
      p0: Float64Array.of(Math.fround(-0.127)),
      fg,
      precision: 'float32',
    });
    expect(undetermined.map(({ index }) => index)).toEqual([0]);
  });
});
