import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { judge, type Judgment } from '../../src/core/slope.ts';
import { uniform } from '../../bench/problems/random.js';

type Curve = (x: number) => number;

interface Question {
  readonly f: Curve;
  readonly x: number;
  readonly gradient: number;
  readonly size: number;
  readonly largest: number;
  readonly precision: 'float32' | 'float64';
  readonly tolerance: number;
}

interface Verdict {
  readonly judgment: Judgment;
  readonly difference: number;
  /** Points at which f was asked for. */
  readonly asked: number[];
}

function judged({ f, x, gradient, size, largest, precision, tolerance }: Question): Verdict {
  const asked: number[] = [];
  const point = Float64Array.of(x);
  const turns = judge({ x: point, f: f(x), precision, tolerance }, { index: 0, gradient, size, largest });
  let turn = turns.next();
  while (!turn.done) {
    asked.push(point[0]);
    turn = turns.next(f(point[0]));
  }
  expect(point[0]).toBe(x);
  return { ...turn.value, asked };
}

const within = (distance: number, bound: number) => distance <= bound;

/** Slopes over a step: across the point, above and below it; rounding error of the first, twice it for the others. */
interface Slopes {
  h: number;
  mid: number;
  up: number;
  down: number;
  error: number;
}

/**
 * The rules of `judge`, written once more:
 *
 * 1. One step of ∛ε·size suffices where f is linear over it and its slope is the gradient.
 * 2. Steps of powers of 8 go down from the size until rounding drowns the slope. Two neighbors that confirm the gradient
 *    end it; so does an f that is equal on both sides where the gradient is 0, if the slopes of one of the two steps before would
 *    show, or no step changes f at all.
 * 3. Then they go up to the largest size while f is linear and no two slopes agree to a tenth.
 * 4. The estimate is the plateau of the smallest steps; a gradient outside of it is right only as a one-sided slope.
 */
function expected({ f, x, gradient: g, size, largest, precision, tolerance }: Question): Verdict {
  const single = precision === 'float32';
  const epsilon = single ? 2 ** -23 : 2 ** -52;
  const resolved = single ? 1 / 4 : 1 / 500;
  const center = f(x);
  const asked: number[] = [];
  const answer = (judgment: Judgment, difference: number): Verdict => ({ judgment, difference, asked });

  function slopes(h: number): Slopes | null {
    let [a, b] = [x - h, x + h];
    if (single) [a, b] = [Math.fround(a), Math.fround(b)];
    if (a >= x || b <= x || b - a === Infinity) return null;
    asked.push(b, a);
    const [fa, fb] = [f(a), f(b)];
    const mid = (fb - fa) / (b - a);
    if (!Number.isFinite(mid)) return null;
    const top = [center, fa, fb].map(Math.abs).reduce((most, value) => Math.max(most, value));
    const [up, down] = [(fb - center) / (b - x), (center - fa) / (x - a)];
    const error = (8 * epsilon * top) / (b - a);
    return { h: (b - a) / 2, mid, up, down, error };
  }
  const isStraight = ({ mid, up, down, error }: Slopes) =>
    within(Math.abs(up - down), (single ? 0.1 : 0.02) * Math.abs(mid) + 4 * error);
  const isSame = ({ mid, error }: Slopes) => {
    const most = Math.max(Math.abs(g), Math.abs(mid));
    return within(error, resolved * most) && within(Math.abs(g - mid), tolerance * most + error);
  };

  const only = slopes(Math.cbrt(epsilon) * size);
  if (only && isStraight(only) && isSame(only)) return answer('right', only.mid);

  /** From the largest step to the smallest. */
  const ladder: Slopes[] = [];
  const power = 8 ** Math.floor(Math.log2(size) / 3);
  for (let k = 0; k < 60; k++) {
    const h = power / 8 ** k;
    if (!(h > 2 * epsilon * Math.abs(x))) break;
    const next = slopes(h);
    if (next === null) continue;
    const steepest = ladder.map(({ up, down }) => Math.max(Math.abs(up), Math.abs(down)));
    const isVarying = steepest.slice(-2).some((slope) => within(next.error, resolved * slope));
    const isLevel = h >= size / 1024 && steepest.every((slope) => slope === 0);
    if (g === 0 && next.up === 0 && next.down === 0 && (isLevel || isVarying)) {
      return answer('right', 0);
    }
    ladder.push(next);
    if (ladder.length > 1 && ladder.slice(-2).every(isSame)) return answer('right', next.mid);
    if (
      ladder.length > 2 &&
      next.error > 4 * Math.max(Math.abs(next.mid), Number.isNaN(g) ? 0 : Math.abs(g))
    ) {
      break;
    }
  }
  for (let k = 1; k <= 60; k++) {
    const h = power * 8 ** k;
    if (h > largest || estimate(ladder)?.isPlateau || (ladder.length > 0 && !isStraight(ladder[0]))) break;
    const next = slopes(h);
    if (next === null) continue;
    ladder.unshift(next);
    if (ladder.length > 1 && ladder.slice(0, 2).every(isSame)) return answer('right', ladder[1].mid);
  }

  const best = estimate(ladder);
  if (!best) return answer('undetermined', NaN);
  const { mid, spread } = best;
  const off = Math.abs(g - mid);
  const allowed = tolerance * Math.max(Math.abs(g), Math.abs(mid));
  if (Number.isNaN(g)) return answer('wrong', mid);
  if (off > allowed + 2 * spread) return answer(oneSided(ladder, off), mid);
  const isResolved = within(spread, resolved * Math.max(Math.abs(g), Math.abs(mid)));
  return answer(isResolved && within(off, allowed + spread) ? 'right' : 'undetermined', mid);

  function oneSided(all: Slopes[], off: number): Judgment {
    const clear = all.filter(
      ({ error }) => within(error, off / 16) && within(error, (resolved * (Math.abs(g) + off)) / 2),
    );
    if (clear.length < 2) return 'undetermined';
    const hits = (side: 'up' | 'down') =>
      clear.map((s) => within(Math.abs(s[side] - g), tolerance * Math.abs(g) + 2 * s.error));
    for (const met of [hits('up'), hits('down')]) {
      for (let k = 1; k < met.length; k++) if (met[k - 1] && met[k]) return 'kink';
    }
    const gaps = clear.map(({ up, down }) => Math.abs(up - down));
    const [fine, gap] = [clear[clear.length - 1], gaps[gaps.length - 1]];
    if (gap > gaps[gaps.length - 2] / 2) {
      const [low, high] = [fine.up, fine.down].toSorted((p, q) => p - q);
      const slack = tolerance * Math.max(Math.abs(low), Math.abs(high)) + 2 * fine.error;
      if (low - slack <= g && g <= high + slack) return 'kink';
    }
    if (single) {
      if (off <= 2 * Math.min(...gaps)) return 'undetermined';
      if (gaps.every((value, k) => value > 4 * clear[k].error) && off <= resolved * Math.abs(g)) {
        return 'undetermined';
      }
    }
    const last = [...hits('up').slice(-2), ...hits('down').slice(-2)];
    return last.some(Boolean) ? 'undetermined' : 'wrong';
  }
}

/** The slope that the ladder shows: the plateau at its smallest steps, or its least uncertain slope. */
function estimate(ladder: readonly Slopes[]) {
  let worst = 0;
  const fromSmallest = [];
  for (let k = ladder.length - 2; k >= 0; k--) {
    const [{ mid, error, h }, finer] = ladder.slice(k, k + 2);
    worst = Math.max(worst, Math.abs(mid - finer.mid) * h);
    const spread = 2 * Math.abs(mid - finer.mid) + error + worst / h;
    fromSmallest.push({ mid, spread, isPlateau: spread <= Math.abs(mid) / 10 });
  }
  const flat = fromSmallest.filter(({ isPlateau }) => isPlateau);
  if (flat.length === 0) return fromSmallest.toSorted((p, q) => p.spread - q.spread).at(0);
  return flat.reduce((held, next) =>
    next.spread < held.spread && Math.abs(next.mid - held.mid) <= next.spread + held.spread ? next : held,
  );
}

/** Curves with their slopes where they have one; a kink lies at 1. */
const curves: Record<string, { f: Curve; slope: Curve }> = {
  line: { f: (x) => 3 * x + 1, slope: () => 3 },
  parabola: { f: (x) => x * x, slope: (x) => 2 * x },
  sine: { f: Math.sin, slope: Math.cos },
  'fast sine': { f: (x) => Math.sin(1e4 * x), slope: (x) => 1e4 * Math.cos(1e4 * x) },
  exponential: { f: (x) => Math.exp(3 * x), slope: (x) => 3 * Math.exp(3 * x) },
  logarithm: { f: Math.log, slope: (x) => 1 / x },
  constant: { f: () => 2, slope: () => 0 },
  kink: { f: (x) => Math.abs(x - 1) + x / 4, slope: (x) => Math.sign(x - 1) + 1 / 4 },
  'kinks side by side': {
    f: (x) => Math.abs(x - 1) + Math.abs(x - 1.001) / 4 + Math.abs(x - 0.9999) / 8,
    slope: (x) => Math.sign(x - 1) + Math.sign(x - 1.001) / 4 + Math.sign(x - 0.9999) / 8,
  },
  'bent kink': { f: (x) => Math.max(0, x - 1) + x ** 3, slope: (x) => Number(x > 1) + 3 * x * x },
  ramp: { f: (x) => Math.max(0, x - 1), slope: (x) => Number(x > 1) },
  'square root': { f: (x) => Math.sqrt(Math.abs(x - 1)), slope: () => 0 },
  stairs: { f: (x) => Math.floor(64 * x) / 64, slope: () => 0 },
  'buried sine': { f: (x) => 1e6 + Math.sin(x), slope: Math.cos },
  'buried kinks': {
    f: (x) => 1e6 + Math.abs(x - 1) + Math.abs(x - 1.0001) / 4 + Math.max(0, 0.9999 - x) / 2,
    slope: (x) => Math.sign(x - 1) + Math.sign(x - 1.0001) / 4 - Number(x < 0.9999) / 2,
  },
  'buried parabola': { f: (x) => 1e9 + x * x, slope: (x) => 2 * x },
  'slope below rounding': { f: (x) => 1 + 1e-13 * x, slope: () => 1e-13 },
  'finite at one side': { f: (x) => (x > 1 ? Infinity : x * x), slope: (x) => 2 * x },
};

const factors = [1, 1, 1, 1 + 1e-7, 1.01, 1.3, 2, -1, 0, NaN, Infinity];

/** A question drawn at random: a curve, a point on or near its kink, a gradient that is right or wrong, and sizes. */
function draw(random: () => number): Question & { name: string } {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const precision = pick(['float64', 'float32'] as const);
  const round = precision === 'float32' ? Math.fround : Number;
  const name = pick(Object.keys(curves));
  const unit = pick([1, 1, 1, 1e-6, 1e5]);
  const { f, slope } = curves[name];
  const z = pick([1, 1, -1, 1 + 1e-5, 1 - 1e-3, 0, 2 * random(), -random(), 1e3 * random()]);
  const x = round(z * unit);
  const side = pick([0, 0, 1e-9, -1e-9]);
  const gradient = round((pick(factors) * slope(x / unit + side) + pick([0, 0, 0, 0.5, -0.2, 1e-4])) / unit);
  // The last but one is so small that a step moves x to one side alone; the last one so large that two steps overflow.
  const least = (0.75 * 2 ** -53 * unit) / Math.cbrt(2 ** -52);
  const size = pick([
    Math.abs(x) || 1,
    Math.abs(x) || 1,
    unit,
    2 * unit,
    1e-4 * unit,
    300 * unit,
    least,
    1.5e308,
  ]);
  return {
    name,
    f: (at) => round(f(at / unit)),
    x,
    gradient,
    size,
    largest: size * pick([1, 1, 8, 100, 1e6, 1e60]),
    precision,
    tolerance: precision === 'float32' ? 1e-2 : 1e-5,
  };
}

describe('an element of a gradient', () => {
  it('is judged as the rules say, from the same points', () => {
    const random = uniform(12);
    const counts: Record<Judgment, number> = { right: 0, wrong: 0, kink: 0, undetermined: 0 };
    const wrong: unknown[] = [];
    for (let run = 0; run < 20_000; run++) {
      const question = draw(random);
      const verdict = judged(question);
      counts[verdict.judgment]++;
      const wanted = expected(question);
      if (!isDeepStrictEqual(verdict, wanted)) wrong.push({ run, ...question, verdict, wanted });
    }
    expect(wrong).toEqual([]);
    // Each verdict comes often.
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(500);
  });
});
