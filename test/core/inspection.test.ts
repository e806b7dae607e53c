import { describe, expect, it } from 'vitest';
import { inspect, type Inspection } from '../../src/core/disagreement.ts';
import { runSync } from '../../src/core/drive.ts';
import { sharedLines, type Standstill } from '../../src/core/standstill.ts';
import { uniform } from '../../bench/problems/random.js';
import { lookCloser, type Part, type Point } from './closerLookRules.ts';

/** f with its gradient. */
type Objective = (x: number[]) => { f: number; g: number[] };

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const largest = (values: number[]) => Math.max(0, ...values.map(Math.abs));

/** Differences of the k-th order. */
const differences = (values: number[], k: number): number[] =>
  k === 0
    ? values
    : differences(
        values.slice(1).map((value, i) => value - values[i]),
        k - 1,
      );
/** Binomial coefficient 2k over k: the variance of a k-th difference of noise of variance 1. */
const variance = (k: number): number => (k === 0 ? 1 : (variance(k - 1) * (4 * k - 2)) / k);
/** Standard deviation of the noise among the values, from their k-th differences. */
const deviationOf = (values: number[], k: number): number => {
  const squares = differences(values, k).map((difference) => difference ** 2);
  return Math.sqrt(sum(squares) / squares.length / variance(k));
};
/** The same by Moré and Wild (2011). */
const deviation = (values: number[]): number => Math.max(...[3, 4, 5].map((k) => deviationOf(values, k)));

/** A line along which f is compared with its gradient; its length is relative to the longest of its unknowns. */
interface ALine {
  step: number[];
  length: number;
  isSymmetric: boolean;
}

/** The rules of `inspect`, written once more. */
function expected(objective: Objective, { at, p0, precision, highest, smallest, admit }: Standstill) {
  const n = at.x.length;
  const here = [...at.x];
  const asked: number[][] = [];
  const start: Point = { x: here, f: at.f, g: [...at.gradient] };
  let lowest = start;
  const evaluate = (step: number[], part: number, counts: boolean): Point => {
    const x = Float64Array.from(here, (value, i) => value + part * step[i]);
    if (precision === 'float32') x.forEach((value, i) => (x[i] = Math.fround(value)));
    admit?.(x);
    asked.push([...x]);
    const point = { x: [...x], ...objective([...x]) };
    if (counts && point.f < lowest.f) lowest = point;
    return point;
  };
  const size = ({ x, f, g }: Point) =>
    Math.max(Math.abs(f), sum(x.map((value, i) => Math.abs(value * g[i]))));
  const epsilon = (digits: 'float32' | 'float64') => (digits === 'float32' ? 2 ** -23 : 2 ** -52);
  const rounding = (a: Point, b: Point, digits: 'float32' | 'float64' = precision) =>
    16 * epsilon(digits) * Math.max(size(a) + size(b), highest);
  const trapezoid = (a: Point, b: Point) =>
    sum(a.x.map((value, i) => ((a.g[i] + b.g[i]) / 2) * (b.x[i] - value)));
  const differ = (a: number, b: number) => Math.abs(a - b) > 0.15 * Math.max(Math.abs(a), Math.abs(b));

  /** Rules for all parts of the present line. */
  let closer: { way: number[]; parts: Part[]; rules: ReturnType<typeof lookCloser> } | null = null;
  const begin = (way: number[]) => {
    const parts: Part[] = [];
    const facts = { here: start, precision, highest, smallest, admit, size, deviation: deviationOf };
    const asks = (step: number[], part: number) => evaluate(step, part, false);
    const rules = lookCloser({ ...facts, evaluate: asks }, way, parts);
    rules.note(start, 0);
    closer = { way, parts, rules };
    return rules;
  };

  const change = ({ step, length: relative, isSymmetric }: ALine, part: number) => {
    const other = evaluate(step, isSymmetric ? -part : part / 2, true);
    const end = evaluate(step, part, true);
    const [a, b, c] = isSymmetric ? [other, start, end] : [start, other, end];
    const byValues = c.f - a.f;
    const halves = trapezoid(a, b) + trapezoid(b, c);
    const byGradients = halves + (halves - trapezoid(a, c)) / 3;
    const noise = rounding(a, c);
    const weights = a.g.map((value, i) => Math.abs(value) + Math.abs(c.g[i]));
    const offCenter = sum(weights.map((w, i) => w * Math.abs(b.x[i] - a.x[i] / 2 - c.x[i] / 2)));
    const length = sum(weights.map((w, i) => w * Math.abs(c.x[i] - a.x[i])));
    const sameRules =
      Math.abs(byGradients - halves) <=
      Math.max(0.02 * Math.abs(byGradients), 1e-3 * Math.abs(byValues), noise);
    const isTrusted = sameRules && offCenter <= 0.25 * length;
    const most = Math.max(Math.abs(byValues), Math.abs(byGradients));
    const drops = [other, end].some((point) => start.f - point.f > 12 * rounding(start, point));
    const isResolved = most > 12 * noise && most < Infinity;
    const kinks = [other, end].filter((point) => {
      const [v, t] = [point.f - start.f, trapezoid(start, point)];
      return differ(v, t) && Math.abs(v - t) > rounding(start, point);
    });
    if (closer !== null) {
      const parts: Part = [a, b, c];
      const lengths = [isSymmetric ? -1 : 0.5, 1].map((t) => t * part * relative);
      [other, end].forEach((point, k) => closer!.rules.note(point, lengths[k]));
      closer.parts.push(parts);
    }
    return {
      signal: most / noise,
      byValues,
      byGradients,
      isResolved,
      isSmooth: isSymmetric ? kinks.length === 0 : isTrusted,
      falls: isResolved && isTrusted && drops && (kinks.length === 0 || !isSymmetric),
      contradicts: isResolved && isTrusted && differ(byValues, byGradients),
      agrees: isResolved && !(isTrusted && differ(byValues, byGradients)),
    };
  };

  const scatters = (whole: number[], difference: number) =>
    scattersAlong(whole, difference) ||
    scattersAlong(
      whole.map((value) => 0.618 * value),
      difference,
    );
  const scattersAlong = (step: number[], difference: number) => {
    const points = [start, ...[1, 2, 3, 4, 5, 6, 7, 8].map((k) => evaluate(step, k / 8, false))];
    const values = points.map(({ f }) => f);
    const slopes = points.map(({ g }) => sum(g.map((value, i) => value * step[i])));
    const repeated = Math.abs(evaluate(step, 0, false).f - start.f);
    const scatter = 16 * Math.hypot(Math.max(deviation(values), repeated), deviation(slopes));
    const isFloat32 = values.every((value) => Math.fround(value) === value);
    const steps = isFloat32 ? 12 * rounding(start, points[8], 'float32') : 0;
    const few = new Set(values).size < 6 ? 0.1 * Math.max(highest, Math.abs(start.f)) : 0;
    const height = values.some((value) => value !== 0) ? few : smallest || highest;
    return !(difference > scatter && difference > steps && difference > height);
  };

  /** True once f has fallen along a line by more than its rounding. */
  let falls = false;

  /** The verdict on a group of lines. */
  const judge = (lines: ALine[], isDownhill: boolean) => {
    let [doubts, last] = [0, { descends: false, isSmooth: true }];
    for (const [k, line] of lines.entries()) {
      const { step, isSymmetric } = line;
      const whole = change(line, 1);
      if (whole.contradicts) {
        const isCertain =
          change(line, 0.382).contradicts &&
          !change(line, 0.157).agrees &&
          !scatters(step, Math.abs(whole.byValues - whole.byGradients));
        const { byValues, byGradients } = whole;
        if (isCertain) return { mismatch: { byValues, byGradients }, descends: false, isSmooth: false };
        last = { descends: false, isSmooth: false };
        if (++doubts === 2) break;
        continue;
      }
      const { isSmooth, isResolved, byValues } = whole;
      falls ||= whole.falls;
      last = { descends: isSmooth && isResolved && byValues < 0, isSmooth };
      if (isDownhill ? last.descends : !isResolved) break;
      const next = lines[k + 1];
      if (isDownhill || !next || !isSmooth) continue;
      const shrinks = (largest(next.step) / largest(step)) * (next.isSymmetric && !isSymmetric ? 2 : 1);
      if (!(whole.signal * shrinks > 12)) break;
    }
    return { mismatch: null, ...last };
  };

  const found = (): Omit<Inspection, 'lower'> => {
    const wide = largest(here) || largest([...p0]) || 1;
    const aims = precision === 'float32' ? [1e-2, 4e-4] : [1e-4, 1e-7, 1e-10];
    const downhill = (g: number[]) => {
      const norm = largest(g);
      const unit = g.map((value) => (norm === 0 ? 0 : value / norm));
      const slope = norm * sum(unit.map((value) => value ** 2));
      return aims
        .map((aim) => (aim * size(start)) / slope)
        .filter((length) => length <= 0.1 * wide)
        .map((length) => ({ step: unit.map((u) => -length * u), length: 1, isSymmetric: false }));
    };
    let steps = downhill(start.g);
    if (admit && steps.length > 0) {
      const wanted = Float64Array.from(here, (value, i) => value + steps[0].step[i]);
      const admitted = wanted.slice();
      admit(admitted);
      steps = downhill(start.g.map((value, i) => (admitted[i] === wanted[i] ? value : 0)));
    }
    const steepest = judge(steps, true);
    if (steepest.mismatch || steepest.descends) {
      return { mismatch: steepest.mismatch, descends: steepest.descends, atFloor: false };
    }
    let [atFloor, tells] = [steepest.isSmooth, false];
    const signs = here.map((_, i) => {
      const hash = Math.imul(i + 1, 0x9e3779b1);
      return Math.sign(Math.imul(hash ^ (hash >>> 16), 0x85ebca6b));
    });
    const linesOf = (isMember: (i: number) => boolean, moved: (i: number) => number) => {
      let way = here.map((value, i) => (isMember(i) ? moved(i) || Math.abs(value) : 0));
      if (largest(way) === 0) way = here.map((_, i) => (isMember(i) ? wide : 0));
      return [0.3, -0.03, 1e-3, 2e-5].map((part, k) => ({
        step: way.map((value, i) => part * signs[i] * value),
        length: part / 0.3,
        isSymmetric: k > 1,
      }));
    };
    const groups = Math.min(4, n);
    for (let group = 0; group < groups; group++) {
      const lines = linesOf(
        (i) => i % groups === group,
        (i) => Math.abs(here[i] - p0[i]),
      );
      const rules = begin(lines[0].step);
      const verdict = judge(lines, false);
      const mismatch = verdict.mismatch ?? rules.verdict();
      if (mismatch) return { mismatch, descends: false, atFloor: false };
      atFloor &&= verdict.isSmooth;
      tells ||= rules.tells();
    }
    if (!tells) {
      const lines = linesOf(
        () => true,
        () => 0,
      );
      const rules = begin(lines[0].step);
      for (const line of lines.slice(0, 2)) change(line, 1);
      const mismatch = rules.verdict();
      if (mismatch) return { mismatch, descends: false, atFloor: false };
    }
    return { mismatch: null, descends: falls, atFloor: atFloor && !falls };
  };
  const answer = found();
  return { asked, answer, lower: lowest === start ? null : lowest };
}

/** A random f with a right or a wrong gradient, and a point where a solver may stand. */
function randomCase(seed: number): { objective: Objective; standstill: Standstill } {
  const random = uniform(seed);
  const pick = <T>(...values: T[]): T => values[Math.floor(values.length * random())];
  const n = pick(1, 1, 2, 3, 4, 5, 9);
  const precision = pick('float64', 'float64', 'float32');
  const minimum = Array.from({ length: n }, () => pick(0, 2 * random() - 1, 100 * random()));
  const width = pick(1, 1, 1, 10 ** (20 * random() - 16));
  const curvatures = minimum.map(() => 10 ** (3 * random() - 2));
  const quartic = pick(0, 1);
  const kink = pick(0, 0, 0, 1);
  const offset = pick(0, 1, -1, 1e4, 10 ** (8 * random()));
  const factors = minimum.map(() => pick(1, 1, 1, 1, -1, 0, 2, 0.8, 1.13));
  const added = minimum.map(() => pick(0, 0, 0, 1e-2, 1e-4));
  const quantum = pick(0, 0, 0, 0, 1e-7, 1e-3);
  const noise = pick(0, 0, 0, 0, 1e-10, 1e-6);
  const rounds = precision === 'float32' || random() < 0.1;
  const objective: Objective = (x) => {
    let f = offset;
    const g = x.map((value, i) => {
      const u = (value - minimum[i]) / width;
      f += (curvatures[i] * u * u) / 2 + quartic * u ** 4 + kink * Math.abs(u - 1e-3) + added[i] * u;
      const slope = curvatures[i] * u + 4 * quartic * u ** 3 + kink * Math.sign(u - 1e-3);
      return (factors[i] * slope) / width;
    });
    const hash = uniform(x.reduce((h, value) => Math.imul(h ^ (value * 2 ** 40), 0x9e3779b1), 1));
    f *= 1 + noise * (hash() - 0.5);
    if (quantum > 0) f = Math.round(f / quantum) * quantum;
    return rounds ? { f: Math.fround(f), g: g.map(Math.fround) } : { f, g };
  };
  const distance = pick(0, 1e-10, 1e-6, 1e-3, 1) * width;
  const round = (value: number) => (precision === 'float32' ? Math.fround(value) : value);
  const x = Float64Array.from(minimum, (value) => round(value + distance * (2 * random() - 1)));
  const { f, g } = objective([...x]);
  const [below, above] = [x.map((value) => value - pick(0, 1)), x.map((value) => value + pick(0, 1e-5, 10))];
  const admit = (point: Float64Array) =>
    point.forEach((value, i) => (point[i] = Math.min(above[i], Math.max(below[i], value))));
  return {
    objective,
    standstill: {
      at: { x, f, gradient: Float64Array.from(g) },
      p0: x.map((value) => pick(value, value + 4 * random() - 2)),
      precision,
      highest: pick(0, 1, Math.abs(f), 1e3),
      smallest: pick(0, 1e-9, 1),
      admit: random() < 0.25 ? admit : undefined,
    },
  };
}

/** A parabola whose gradient lacks a power of one unknown, by about as much as counts as wrong. */
function slightCase(seed: number): { objective: Objective; standstill: Standstill } {
  const random = uniform(seed);
  const pick = <T>(...values: T[]): T => values[Math.floor(values.length * random())];
  const n = pick(1, 1, 2, 3);
  const precision = pick('float64', 'float64', 'float32');
  const round = precision === 'float32' ? Math.fround : (value: number) => value;
  const lacking = Math.floor(n * random());
  const power = pick(1, 2, 3, 4);
  const size = (precision === 'float32' ? 0.02 : 1e-4) * 10 ** (2 * random() - 0.5);
  const offset = pick(0, 1, 100);
  const objective: Objective = (x) => {
    const f = x.reduce((total, u) => total + (u * u) / 2, offset + size * x[lacking] ** power);
    return { f: round(f), g: x.map(round) };
  };
  const x = Float64Array.from({ length: n }, () => round(pick(1, 1, 1e-2, 1e-4) * (2 * random() - 1)));
  const { f, g } = objective([...x]);
  const at = { x, f, gradient: Float64Array.from(g) };
  const p0 = x.map((value) => value + pick(1, 1, 10) * (2 * random() - 1));
  return { objective, standstill: { at, p0, precision, highest: offset, smallest: 0, admit: undefined } };
}

/** Inspects a standstill, and compares with the rules. */
function compared({ objective, standstill }: ReturnType<typeof randomCase>, seed: number) {
  const asked: number[][] = [];
  const problem = {
    p0: standstill.p0,
    fg(x: Float64Array, gradient: Float64Array | null) {
      const { f, g } = objective([...x]);
      gradient?.set(g);
      asked.push([...x]);
      return f;
    },
  };
  const { lower, mismatch, descends, atFloor } = runSync(inspect(standstill), problem);
  const rules = expected(objective, standstill);
  expect([seed, asked.length]).toEqual([seed, rules.asked.length]);
  const from = standstill.at.x;
  const strays = asked.flatMap((x, k) =>
    [...x].flatMap((value, i) => {
      const [step, wanted] = [value - from[i], rules.asked[k][i] - from[i]];
      const isNear = Math.abs(step - wanted) <= 1e-12 * Math.abs(wanted) + 3e-16 * Math.abs(from[i]);
      return isNear ? [] : [{ seed, k, i, step, wanted }];
    }),
  );
  expect(strays).toEqual([]);
  expect([seed, descends, atFloor]).toEqual([seed, rules.answer.descends, rules.answer.atFloor]);
  expect(mismatch === null).toBe(rules.answer.mismatch === null);
  const size = Math.max(
    standstill.highest,
    Math.abs(standstill.at.f),
    Math.abs(mismatch?.byValues ?? 0),
    Math.abs(mismatch?.byGradients ?? 0),
  );
  for (const name of mismatch ? (['byValues', 'byGradients'] as const) : []) {
    const difference = mismatch![name] - rules.answer.mismatch![name];
    expect(Math.abs(difference)).toBeLessThanOrEqual(1e-11 * size);
  }
  const [lowest, wanted] = [lower, rules.lower].map((point) => point?.f ?? Infinity);
  expect(lowest === wanted || Math.abs(lowest - wanted) <= 1e-11 * size).toBe(true);
  const there = lower === null ? null : objective([...lower.x]);
  expect(lower && { f: lower.f, g: [...lower.gradient] }).toEqual(there);
  const kind = mismatch ? 'mismatch' : descends ? 'descends' : atFloor ? 'atFloor' : 'undecided';
  return { kind, isLower: lower !== null } as const;
}

describe('an inspection', () => {
  it('asks at the points and comes to the verdicts of its rules', () => {
    const verdicts = { mismatch: 0, descends: 0, atFloor: 0, undecided: 0, lower: 0 };
    for (let seed = 1; seed <= 2000; seed++) {
      const { kind, isLower } = compared(randomCase(seed), seed);
      verdicts[kind]++;
      if (isLower) verdicts.lower++;
    }
    // Each of them is met.
    for (const count of Object.values(verdicts)) expect(count).toBeGreaterThan(60);
  });

  it('does so where a gradient is wrong by little', () => {
    let mismatches = 0;
    for (let seed = 1; seed <= 1000; seed++) {
      if (compared(slightCase(seed), seed).kind === 'mismatch') mismatches++;
    }
    expect(mismatches).toBeGreaterThan(100);
    expect(mismatches).toBeLessThan(900);
  });
});

it('signs are mixed among the unknowns that move together', () => {
  for (const n of [12, 40]) {
    const x = new Float64Array(n).fill(1);
    const at = { x, f: 0, gradient: x };
    const standstill = { at, p0: x, precision: 'float64', highest: 0, admit: undefined } as const;
    for (let line = 0; line < 4; line++) {
      for (const { step } of sharedLines(standstill, line, 4)) {
        const signs = step.filter((value) => value !== 0).map(Math.sign);
        expect(signs.length).toBe(n / 4);
        expect(Math.abs(signs.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(n / 4);
      }
    }
  }
});

it('a gradient with two elements in each other’s place is found to be wrong', () => {
  for (let i = 0; i < 8; i++) {
    for (let j = 0; j < i; j++) {
      // Σ cₖ(xₖ − k)²/2, with cᵢ = 1 and cⱼ = 3 in each other’s place.
      const c = Array.from({ length: 8 }, (_, k) => (k === i ? 1 : k === j ? 3 : 2));
      const fg = (x: Float64Array, gradient: Float64Array | null) => {
        const g = [...x].map((value, k) => c[k] * (value - k));
        [g[i], g[j]] = [g[j], g[i]];
        gradient?.set(g);
        return x.reduce((sum, value, k) => sum + (c[k] * (value - k) ** 2) / 2, 1);
      };
      const x = Float64Array.from(c, (_, k) => k + (k === i ? 0.02 : k === j ? -0.01 : 0));
      const gradient = new Float64Array(8);
      const at = { x, f: fg(x, gradient), gradient };
      const standstill: Standstill = {
        at,
        p0: x.map((value) => value + 1),
        precision: 'float64',
        highest: 1,
        admit: undefined,
      };
      expect(runSync(inspect(standstill), { p0: x, fg }).mismatch).not.toBeNull();
    }
  }
});

describe('a right gradient is not accused', () => {
  it('a right gradient is not accused where all digits of f cancel', () => {
    // f is 0 between −0.1 and 0.1, and a multiple of 1e-3 elsewhere; the largest f of the run was its first step.
    const fg = (x: number): [number, number] => [Math.round(x * x * 0.05 * 1e3) / 1e3, 0.1 * x];
    expect(accused(fg, 1e-3, 0.3, 1e-3)).toBeNull();
  });

  /** Verdicts at points of a right gradient. */
  const accused = (fg: (x: number) => [number, number], x: number, p0: number, highest = 0) => {
    const [f, g] = fg(x);
    const standstill: Standstill = {
      at: { x: Float64Array.of(x), f, gradient: Float64Array.of(g) },
      p0: Float64Array.of(p0),
      precision: 'float64',
      highest,
      admit: undefined,
    };
    const problem = {
      p0: standstill.p0,
      fg(point: Float64Array, gradient: Float64Array | null) {
        const [value, slope] = fg(point[0]);
        gradient?.fill(slope);
        return value;
      },
    };
    return runSync(inspect(standstill), problem).mismatch;
  };

  it('accuses no right gradient where steps are a few units in the last place of x', () => {
    for (const power of [2, 4, 6]) {
      for (let k = 0; k < 40; k++) {
        const width = 10 ** (-18 + k / 8);
        const fg = (x: number): [number, number] => {
          const u = (x - 1e4) / width;
          return [u ** power, (power * u ** (power - 1)) / width];
        };
        expect(accused(fg, 1e4, 1e4 + 3 * width)).toBeNull();
      }
    }
  });

  it('a right gradient is not accused where f is rounded, so that it does not change along short lines', () => {
    for (let k = 0; k < 200; k++) {
      const random = uniform(k);
      const quantum = 10 ** (0.5 - 7 * random());
      const fg = (x: number): [number, number] => [Math.round(x ** 2 / quantum) * quantum, 2 * x];
      expect(accused(fg, Math.sqrt(quantum) * random() * 3, 100, 1e4)).toBeNull();
    }
  });

  it('a right gradient is not accused where a random f forms a line by chance', () => {
    const random = uniform(9);
    let rise = 0;
    // Values rise from call to call, but not at the point itself.
    const fg = (x: number): [number, number] =>
      x === 0 ? [1e-3 * random(), 0] : [1e-3 * (rise += 0.4 + 1e-3 * random()) - 3e-4, 1e-9 * x];
    for (let k = 0; k < 20; k++, rise = 0) expect(accused(fg, 0, 1)).toBeNull();
  });
});
