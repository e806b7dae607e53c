import { describe, expect, it } from 'vitest';
import { backtracking, fixedStep, hagerZhang, strongWolfe } from 'quasi-newton';
import { approximateWolfe, changeOf } from '../../src/solvers/linesearch/lineSearch.ts';
import type { LineSearch, LineSearchResult, Phi } from 'quasi-newton';

type Line = (alpha: number) => Phi;

/** Runs a search on a function of one variable. */
function searchOn(line: Line, search: LineSearch, alpha0: number, slack = 0, alphaMax = Infinity) {
  const alphas: number[] = [];
  const run = search.search(line(0), alpha0, slack, alphaMax);
  let turn = run.next();
  while (!turn.done) {
    alphas.push(turn.value.alpha);
    turn = run.next(line(turn.value.alpha));
  }
  return { result: turn.value, alpha: alphaOf(turn.value), alphas };
}

const alphaOf = (result: LineSearchResult) => result.alpha;

/** The six functions of Moré & Thuente (1994), section 5. */
const moreThuente: Record<string, { line: Line; c1: number; c2: number; table: [number, number][] }> = {
  'φ₁, eq. (5.1)': {
    line: (a) => ({ value: -a / (a * a + 2), slope: (a * a - 2) / (a * a + 2) ** 2 }),
    c1: 1e-3,
    c2: 0.1,
    table: [
      [6, 1.4],
      [3, 1.4],
      [1, 10],
      [4, 37],
    ],
  },
  'φ₂, eq. (5.2)': {
    line(a) {
      const t = a + 0.004;
      return { value: t ** 5 - 2 * t ** 4, slope: 5 * t ** 4 - 8 * t ** 3 };
    },
    c1: 0.1,
    c2: 0.1,
    table: [
      [12, 1.6],
      [8, 1.6],
      [8, 1.6],
      [11, 1.6],
    ],
  },
  'φ₃, eq. (5.3)': {
    line(a) {
      const b = 0.01;
      const wave = (39 * Math.PI) / 2;
      const [value, slope] =
        a <= 1 - b ? [1 - a, -1] : a >= 1 + b ? [a - 1, 1] : [(a - 1) ** 2 / (2 * b) + b / 2, (a - 1) / b];
      return {
        value: value + ((1 - b) / wave) * Math.sin(wave * a),
        slope: slope + (1 - b) * Math.cos(wave * a),
      };
    },
    c1: 0.1,
    c2: 0.1,
    table: [
      [12, 1],
      [12, 1],
      [10, 1],
      [13, 1],
    ],
  },
  'φ₄, eq. (5.4)': {
    line: yanai(0.001, 0.001),
    c1: 1e-3,
    c2: 1e-3,
    table: [
      [4, 0.08],
      [1, 0.1],
      [3, 0.35],
      [4, 0.83],
    ],
  },
  'φ₅, eq. (5.4)': {
    line: yanai(0.01, 0.001),
    c1: 1e-3,
    c2: 1e-3,
    table: [
      [6, 0.075],
      [3, 0.078],
      [7, 0.073],
      [8, 0.076],
    ],
  },
  'φ₆, eq. (5.4)': {
    line: yanai(0.001, 0.01),
    c1: 1e-3,
    c2: 1e-3,
    table: [
      [13, 0.93],
      [11, 0.93],
      [8, 0.92],
      [11, 0.92],
    ],
  },
};

const gamma = (b: number) => Math.sqrt(1 + b * b) - b;

function yanai(b1: number, b2: number): Line {
  return (a) => {
    const [p, q] = [Math.hypot(1 - a, b2), Math.hypot(a, b1)];
    return {
      value: gamma(b1) * p + gamma(b2) * q,
      slope: (gamma(b1) * (a - 1)) / p + (gamma(b2) * a) / q,
    };
  };
}

const starts = [1e-3, 1e-1, 1e1, 1e3];

describe('strongWolfe', () => {
  it.each(Object.keys(moreThuente))("reproduces Moré and Thuente's table for %s", (name) => {
    const { line, table, c1, c2 } = moreThuente[name];
    // Their c1 may equal c2, which ours must stay below.
    const search = strongWolfe({ c1: Math.min(c1, c2 * (1 - 1e-12)), c2 });
    // No slack at all turns the approximate conditions off, which are not in the paper.
    const found = starts.map((alpha0) => searchOn(line, search, alpha0, -Infinity));
    expect(found.map(({ alphas }) => alphas.length)).toEqual(table.map(([evaluations]) => evaluations));
    found.forEach(({ alpha }, i) => expect(Math.abs(alpha / table[i][1] - 1)).toBeLessThan(0.07));
  });
});

describe('the approximate Wolfe conditions', () => {
  it.each([
    [3, 0.5, true],
    [3, 0.51, false], // (2δ − 1)φ′(0) ≥ φ′(α)
    [3, -0.75, true],
    [3, -0.76, false], // φ′(α) ≥ σφ′(0)
    [3.25, 0, true],
    [3.26, 0, false], // φ(α) ≤ φ(0) + slack
  ])('the approximate Wolfe conditions of φ(α) = %d and φ′(α) = %d hold: %s', (value, slope, holds) => {
    expect(approximateWolfe({ value: 3, slope: -1 }, { value, slope }, 0.25, 0.25, 0.75)).toBe(holds);
  });

  it.each([
    [3.25, (2 * (-1 + 5)) / 2], // noise: the trapezoid of the slopes
    [2.75, (2 * (-1 + 5)) / 2],
    [3.26, 0.26],
    [2.74, -0.26],
  ])('go with values of φ that stand for a change: %d for %d', (value, change) => {
    expect(changeOf({ value: 3, slope: -1 }, 2, { value, slope: 5 }, 0.25)).toBeCloseTo(change, 14);
  });
});

const wolfeSearches: Record<string, LineSearch> = {
  strongWolfe: strongWolfe({ c2: 0.5 }),
  hagerZhang: hagerZhang({ sigma: 0.5 }),
};

describe.each(Object.entries(wolfeSearches))('%s', (_name, search) => {
  it.each(Object.keys(moreThuente))(
    'ends on %s with a step that meets the (approximate) Wolfe conditions',
    (name) => {
      const { line } = moreThuente[name];
      for (const alpha0 of starts) {
        const { result, alpha, alphas } = searchOn(line, search, alpha0);
        expect(result.failure).toBeUndefined();
        const [start, end] = [line(0), line(alpha)];
        expect(end.value).toBeLessThanOrEqual(start.value);
        expect(end.slope).toBeGreaterThanOrEqual(0.5 * start.slope);
        expect(alphas.length).toBeLessThanOrEqual(20);
      }
    },
  );

  it('goes no farther than the longest step, and stops there while f falls', () => {
    const line: Line = (a) => ({ value: (a - 10) ** 2, slope: 2 * (a - 10) });
    const { result, alphas } = searchOn(line, search, 1, 0, 4);
    expect(result).toMatchObject({ alpha: 4 });
    expect(Math.max(...alphas)).toBe(4);
  });

  it('finds a step where values drown in noise but slopes do not', () => {
    // Near its minimum, in float32, this parabola has no more than rounding left of it.
    const line: Line = (a) => ({ value: Math.fround(1 + 1e-9 * (a - 1) ** 2), slope: 2e-9 * (a - 1) });
    const { result, alpha } = searchOn(line, search, 1, 1e-6);
    expect(result.failure).toBeUndefined();
    expect(Math.abs(alpha - 1)).toBeLessThan(0.5);
  });

  it('fails without a step if the slope is negative and the values rise', () => {
    const { result } = searchOn((a) => ({ value: a, slope: -1 }), search, 1);
    expect(result).toMatchObject({ failure: expect.any(String), alpha: 0 });
  });
});

const all: Record<string, LineSearch> = {
  strongWolfe: strongWolfe(),
  hagerZhang: hagerZhang(),
  'backtracking, cubic': backtracking(),
  'backtracking, quadratic': backtracking({ interpolation: 'quadratic' }),
  'backtracking, none': backtracking({ interpolation: 'none' }),
};

describe.each(Object.entries(all))('%s', (_name, search) => {
  it.each([
    // A barrier: infinite at 1, NaN beyond.
    ['NaN', (a: number) => ({ value: -Math.log(1 - a) - 3 * a, slope: 1 / (1 - a) - 3 })],
    [
      'Infinity',
      (a: number) =>
        a < 0.9 ? { value: (a - 0.5) ** 2, slope: 2 * (a - 0.5) } : { value: Infinity, slope: NaN },
    ],
  ])('steps back from a region of %s', (_region, line) => {
    for (const alpha0 of [0.1, 1, 1e3, 1e8]) {
      const { result, alpha } = searchOn(line, search, alpha0);
      expect(result.failure).toBeUndefined();
      expect(line(alpha).value).toBeLessThan(line(0).value);
    }
  });

  it('gives up where φ is nowhere finite, within a bounded number of trials', () => {
    const line: Line = (a) => (a === 0 ? { value: 0, slope: -1 } : { value: NaN, slope: NaN });
    const { result, alphas } = searchOn(line, search, 1);
    expect(result).toMatchObject({ failure: expect.any(String), alpha: 0 });
    expect(alphas.length).toBeLessThanOrEqual(70);
  });

  it('accepts at once the minimizer of a parabola', () => {
    const { alphas } = searchOn((a) => ({ value: (a - 1) ** 2, slope: 2 * (a - 1) }), search, 1);
    expect(alphas).toEqual([1]);
  });
});

describe('backtracking', () => {
  it('goes to the minimizer of the parabola, no nearer to 0 than a tenth and no farther than a half', () => {
    const parabola =
      (end: number): Line =>
      (a) => ({ value: (a - end) ** 2, slope: 2 * (a - end) });
    expect(searchOn(parabola(0.2), backtracking(), 1).alphas[1]).toBeCloseTo(0.2, 12);
    expect(searchOn(parabola(1e-3), backtracking(), 1).alphas[1]).toBeCloseTo(0.1, 12);
    expect(searchOn(parabola(0.49), backtracking({ c1: 0.499 }), 0.98).alphas[1]).toBeCloseTo(0.49, 12);
  });

  it('finds the minimizer of a cubic in its third trial', () => {
    const cubic: Line = (a) => ({ value: -a + 20 * a * a - 18 * a ** 3, slope: -1 + 40 * a - 54 * a * a });
    const { alphas } = searchOn(cubic, backtracking({ minShrink: 1e-3 }), 1);
    expect(alphas).toHaveLength(3);
    expect(cubic(alphas[2]).slope).toBeCloseTo(0, 10);
  });
});

describe('fixedStep', () => {
  it('takes its step even if f rises', () => {
    const uphill: Line = (a) => ({ value: a, slope: 1 });
    expect(searchOn(uphill, fixedStep({ alpha: 0.3 }), 1)).toMatchObject({ alpha: 0.3, alphas: [0.3] });
    expect(searchOn(uphill, fixedStep(), 0.7)).toMatchObject({ alpha: 0.7 });
  });
});

describe('options', () => {
  it('are checked, all faults at once', () => {
    expect(() => strongWolfe({ c1: 2, c2: -1 })).toThrow(/2 options are wrong[^]*c1[^]*c2/);
    expect(() => strongWolfe({ c1: 0.3, c2: 0.2 })).toThrow(/c1 must be below c2/);
    expect(() => hagerZhang({ delta: 0.4, sigma: 0.3 })).toThrow(/delta must not exceed sigma/);
    expect(() => backtracking({ interpolation: 'cubist' as 'cubic' })).toThrow(
      /'cubic' or 'quadratic' or 'none'/,
    );
    expect(() => fixedStep({ alpha: 0 })).toThrow(RangeError);
  });
});
