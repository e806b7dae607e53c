import { describe, expect, it } from 'vitest';
import {
  checkJacobian,
  checkJacobianAsync,
  leastSquares,
  layoutOf,
  vectorParams,
  type Problem,
} from 'quasi-newton';
import { runUnguarded } from '../../src/core/drive.ts';
import { differenceJacobian, jacobianSource, noteSizes, type Scheme } from '../../src/core/jacobian.ts';
import { uniform } from '../../bench/problems/random.js';

type Residuals = (x: Float64Array) => number[];

interface Place {
  readonly r: Residuals;
  readonly x: Float64Array;
  readonly scheme: Scheme;
  readonly precision: 'float32' | 'float64';
  readonly sizes: Float64Array;
  readonly lower: readonly number[];
  readonly upper: readonly number[];
  readonly shortens: number | undefined;
}

/**
 * The rules of differenceJacobian, written once more: steps ε^½·|xⱼ| or ε^⅓·|xⱼ|, at least a thousandth of the largest
 * |xⱼ| so far, 1 where that is 0; on the side, or by halves of the room, that the bounds leave; on the other side where
 * the residuals are not finite; from one point where rounding leaves one; 2¹² times as long where nothing changes, and in float64 three
 * times 2²⁴ times more, and on up to the largest |rᵢ|, unless that shows a slope which the shorter step would have shown.
 * A column whose two sides differ is shortened, see {@link shortened}, where the residuals change enough.
 */
function expected({ r, scheme, precision, sizes, lower, upper, shortens, ...place }: Place) {
  const single = precision === 'float32';
  const round = single ? Math.fround : Number;
  const epsilon = single ? 2 ** -23 : 2 ** -52;
  const x = place.x.map(round);
  const base = r(place.x);
  const asked: number[][] = [];
  const jacobian = base.map(() => Array<number>(x.length).fill(0));
  /** Rounding of the slopes. */
  const slack = base.map(() => Array<number>(x.length).fill(0));
  const central = scheme === '3-point';
  for (let j = 0; j < x.length; j++) {
    const size = Math.max(Math.abs(x[j]), 1e-3 * sizes[j]);
    const step = (central ? epsilon ** (1 / 3) : epsilon ** (1 / 2)) * (size === 0 ? 1 : size);
    const rooms = { below: x[j] - lower[j], above: upper[j] - x[j] };
    const movesFor = (h: number, { below, above } = rooms): number[] => {
      const wide = above >= below ? above : -below;
      let moves: number[];
      if (central && Math.min(above, below) >= h) moves = [h, -h];
      else if (central)
        moves = above >= 2 * h ? [h, 2 * h] : below >= 2 * h ? [-h, -2 * h] : [wide / 2, wide];
      else moves = [above >= h ? h : below >= h ? -h : wide];
      const [first, second = 0] = moves.map((move) => round(x[j] + move) - x[j]);
      return [first, second].filter((move, k) => move !== 0 && (k === 0 || move !== first));
    };
    /** Residuals at the points of a difference; null if one is not finite, 'same' if nothing changes. */
    const visit = (moves: number[]): number[][] | 'same' | null => {
      if (moves.length === 0) return 'same';
      const found = moves.map((move) => {
        const at = x.map((value, i) => (i === j ? value + move : value));
        asked.push([...at]);
        return r(at);
      });
      if (found.flat().some((value) => !Number.isFinite(value))) return null;
      return found[0].every((value, i) => value === base[i]) ? 'same' : found;
    };
    let moves = movesFor(step);
    let found = visit(moves);
    if (found === null) {
      moves = movesFor(step, moves[0] > 0 ? { ...rooms, above: 0 } : { ...rooms, below: 0 });
      found = visit(moves);
    } else if (found === 'same') {
      const reach = Math.max(...base.map(Math.abs)) / step;
      const beyond = Math.max(0, Math.floor((Math.log2(reach) - 84) / 24));
      const powers = single
        ? [12]
        : [12, 36, 60, 84, ...Array.from({ length: beyond }, (_, i) => 108 + 24 * i)];
      for (const [k, power] of powers.entries()) {
        const farther = movesFor(2 ** power * step);
        const there = visit(farther);
        if (there === 'same') continue;
        const least = 4 * 2 ** -52 * 2 ** 24 * Math.max(...base.map(Math.abs));
        const wouldShow = there?.some((values) =>
          values.some((value, i) => Math.abs(value - base[i]) > least),
        );
        if (there !== null && (k === 0 || !wouldShow)) [moves, found] = [farther, there];
        break;
      }
    }
    if (found === null) return { failed: j, asked, jacobian, slack };
    if (found === 'same') continue;
    const attempt = (factor: number) => {
      const shorter = movesFor(factor * step);
      const there = shorter.length < 2 ? null : visit(shorter);
      return there === null || there === 'same' ? null : { moves: shorter, found: there };
    };
    const first = { moves, found };
    const best = shortens === undefined ? first : shortened(base, first, shortens, attempt);
    slopesOf(base, best).forEach((slope, i) => (jacobian[i][j] = slope));
    best.found.forEach((values) =>
      values.forEach(
        (value, i) => (slack[i][j] += (1e-15 * Math.abs(value - base[i])) / Math.abs(best.moves[0])),
      ),
    );
  }
  return { failed: -1, asked, jacobian, slack };
}

const size = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]);

interface Difference {
  readonly moves: number[];
  readonly found: number[][];
}

/** The slopes at 0 of the line, or of the parabola, through the residuals at these moves. */
const slopesOf = (base: readonly number[], { moves: [a, b], found: [near, far] }: Difference) =>
  base.map((value, i) => {
    if (!far) return (near[i] - value) / a;
    return ((near[i] - value) * b) / (a * (b - a)) - ((far[i] - value) * a) / (b * (b - a));
  });

/**
 * The slopes of a column, at shorter steps where the two sides differ by a thousandth of their sum,
 * while the residuals change by at least `shortens` of their norm. Steps are sixteenths of each other, at most ten, as long
 * as they change the residuals by 1e5 rounding errors. The finer of the two neighbors that differ least counts, if they
 * differ by less than a tenth; neighbors within 1e-7 end it, and so does a larger difference than one below a tenth.
 */
function shortened(
  base: readonly number[],
  first: Difference,
  shortens: number,
  attempt: (factor: number) => Difference | null,
): Difference {
  const { moves, found } = first;
  if (found.length < 2 || size(minus(found[0], base)) < shortens * size(base)) return first;
  const [ahead, behind] = moves.map((move, k) => minus(found[k], base).map((value) => value / move));
  const apart = size(minus(ahead, behind));
  const mean =
    size(
      minus(
        ahead,
        behind.map((value) => -value),
      ),
    ) / 2;
  if (!(apart > 2e-3 * mean)) return first;
  let [best, least, longer] = [first, 0.1, first];
  for (let k = 1; k <= 10; k++) {
    if (size(minus(longer.found[0], base)) / 16 <= 1e5 * 2 ** -52 * size(base)) return best;
    const next = attempt(16 ** -k);
    if (next === null) return best;
    const slopes = slopesOf(base, next);
    const gap = size(minus(slopes, slopesOf(base, longer))) / size(slopes);
    if (gap >= least && least < 0.1) return best;
    if (gap < least) [best, least] = [next, gap];
    if (least <= 1e-7) return best;
    longer = next;
  }
  return best;
}

const curves: Record<string, (z: number) => number> = {
  wave: (z) => Math.sin(z + 0.3) + z,
  square: (z) => z * z,
  root: (z) => Math.sqrt(z),
  'root above 0': (z) => (z > 0 ? Math.sqrt(z) : z),
  'root downward': (z) => Math.sqrt(1 - z),
  pole: (z) => (Math.abs(z - 1) < 1e-3 ? NaN : z),
  constant: () => 3,
  'flat, then steep': (z) => Math.max(0, z - 1.001) * 1e3,
  'flat, then undefined': (z) => (Math.abs(z) > 1.01 ? NaN : 2),
  buried: (z) => 1e13 + z,
  'deeply buried': (z) => 1e20 + 1e3 * z,
  'deeply buried, steep below': (z) => 1e20 + (z < -1e3 ? -1e20 : 1e3 * z),
  'beyond all': (z) => 1e60 + 1e25 * z,
  'narrow peak': (z) => Math.exp(-(((z - 1) / 1e-5 + 0.7) ** 2)),
  'narrower peak': (z) => Math.exp(-(((z - 1) / 3e-8 + 0.3) ** 2)),
  'peak on a slope': (z) => 30 * z + Math.exp(-(((z - 1) / 1e-4 + 0.4) ** 2)),
  'buried peak': (z) => 1e5 + Math.exp(-(((z - 1) / 1e-6 - 1.1) ** 2)),
  cusp: (z) => Math.sqrt(Math.abs(z - 1 + 1e-9)),
  alone: (z) => (Math.abs(z - 1) < 1e-12 ? 2 : NaN),
  'jump beside': (z) => z + Number(z > 1 + 1e-11),
};

/** Beside these, nothing shows that an unknown moves. */
const flat = new Set(['constant', 'flat, then undefined', 'buried', 'deeply buried, steep below']);

function draw(random: () => number): Place & { name: string } {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const precision = pick(['float64', 'float32'] as const);
  const round = precision === 'float32' ? Math.fround : Number;
  const n = pick([1, 2, 3]);
  const names = Array.from({ length: n }, () => pick(Object.keys(curves)));
  const units = names.map(() => pick([1, 1, 1e-6, 1e5]));
  const x = Float64Array.from(units, (unit) => unit * pick([0, 1, 1, 1, random(), 2 * random() - 1]));
  const sizes = x.map((value) => Math.abs(value) * pick([1, 1, 1e5, 10]));
  const room = (j: number) =>
    units[j] * pick([0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-2, Infinity, Infinity, Infinity]);
  const at = [...x].map(round);
  return {
    name: names.join(),
    r: (point) =>
      [
        ...names.map((name, j) => round(curves[name](point[j] / units[j]))),
        round(point.reduce((sum, value, j) => sum + (j + 1) * (value / units[j]), 0)),
      ].slice(0, names.some((name) => flat.has(name)) ? n : n + 1),
    x,
    scheme: pick(['2-point', '3-point'] as const),
    precision,
    sizes,
    lower: at.map((value, j) => value - room(j)),
    upper: at.map((value, j) => value + room(j)),
    shortens: precision === 'float64' ? pick([undefined, 0, 1e-3, 0.05]) : undefined,
  };
}

describe('a Jacobian by differences', () => {
  it('has the steps and the slopes that the rules say', () => {
    const random = uniform(9);
    const wrong: unknown[] = [];
    let [failures, shortenings] = [0, 0];
    for (let run = 0; run < 6000; run++) {
      const { name, ...place } = draw(random);
      const { r, x, scheme, precision, sizes, lower, upper, shortens } = place;
      const residuals = Float64Array.from(r(x));
      if (!residuals.every(Number.isFinite)) continue;
      const [m, n] = [residuals.length, x.length];
      const jacobian = new Float64Array(m * n);
      const asked: number[][] = [];
      const problem: Problem = {
        p0: x,
        fg: () => NaN,
        residuals(at, out) {
          asked.push([...at]);
          out.set(r(at));
        },
      };
      const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
      const steps = { scheme, precision, sizes, bounds, shortens };
      const failed = runUnguarded(differenceJacobian(x, residuals, jacobian, steps), problem);
      const wanted = expected(place);
      if (failed >= 0) failures++;
      const plain = expected({ ...place, shortens: undefined });
      if (wanted.asked.length > plain.asked.length) shortenings++;
      const isSame = wanted.jacobian.every((row, i) =>
        row.every((slope, j) => {
          const found = jacobian[i * n + j];
          // Where it has failed, columns from there on are not written.
          const error = 1e-6 * Math.abs(slope) + wanted.slack[i][j] + 1e-300;
          return (failed >= 0 && j >= failed) || Math.abs(found - slope) <= error;
        }),
      );
      const isRight =
        isSame && failed === wanted.failed && JSON.stringify(asked) === JSON.stringify(wanted.asked);
      if (!isRight) wrong.push({ run, name, place, found: { failed, asked, jacobian }, wanted });
    }
    expect(wrong).toEqual([]);
    expect(failures).toBeGreaterThan(20);
    expect(shortenings).toBeGreaterThan(100);
  });

  it('has points on a bound that is one step away', () => {
    const pointsIn = (scheme: Scheme, lower: number, upper: number) => {
      const asked: number[] = [];
      const problem: Problem = {
        p0: Float64Array.of(0),
        fg: () => NaN,
        residuals([x], out) {
          asked.push(x);
          out[0] = x;
        },
      };
      const bounds = { lower: () => lower, upper: () => upper };
      const steps = { scheme, precision: 'float64', sizes: Float64Array.of(0), bounds } as const;
      runUnguarded(differenceJacobian(problem.p0, Float64Array.of(0), new Float64Array(1), steps), problem);
      return asked;
    };
    const [forward, central] = [2 ** -26, (2 ** -52) ** (1 / 3)];
    expect(pointsIn('2-point', -1, forward)).toEqual([forward]);
    expect(pointsIn('3-point', -central, central)).toEqual([central, -central]);
  });

  it('notes the largest size of each unknown', () => {
    const sizes = Float64Array.of(1, 2, 0);
    noteSizes(sizes, Float64Array.of(-3, 1, 0));
    expect(sizes).toEqual(Float64Array.of(3, 2, 0));
  });

  it('is computed only if the residuals wrote no element of their own', () => {
    const r = Float64Array.of(1, 2);
    const source = (...jacobian: number[]) => jacobianSource('test', r, Float64Array.from(jacobian));
    expect(source(1, 2, 3, 4)).toBe('own');
    expect(source(NaN, NaN, NaN, NaN)).toBe('differences');
    expect(() => source(1, 2, NaN, 4)).toThrow(
      new TypeError(
        'test: residuals left the Jacobian unwritten at row 1, column 0 (or wrote NaN); it must set all 2 × 2 elements, jacobian[i * 2 + j] = ∂rᵢ/∂xⱼ, zeros too, or none.',
      ),
    );
    for (const bad of [Float64Array.of(NaN, 2), Float64Array.of(1, Infinity)]) {
      expect(jacobianSource('test', bad, Float64Array.of(NaN, 1))).toBe('unknown');
    }
  });
});

describe('checkJacobian', () => {
  it('measures the error of each element beyond rounding, and sorts by it', () => {
    const random = uniform(21);
    for (let run = 0; run < 150; run++) {
      const precision = run % 3 === 0 ? 'float32' : 'float64';
      const round = precision === 'float32' ? Math.fround : Number;
      const epsilon = precision === 'float32' ? 2 ** -23 : 2 ** -52;
      const [m, n] = [3, 2];
      const offsets = Array.from({ length: m }, () => (random() < 0.3 ? 10 ** (14 * random() - 2) : 0));
      const factors = Array.from({ length: m * n }, () => (random() < 0.3 ? 2 * random() - 0.5 : 1));
      const slopes = Array.from({ length: m * n }, () => (random() < 0.2 ? 1e-3 : 4 * random() - 2));
      const r: Residuals = ([a, b]) =>
        offsets.map((offset, i) => round(offset + slopes[2 * i] * Math.sin(a) + slopes[2 * i + 1] * b * b));
      const given = Float64Array.of(0.3, 1.7);
      const at = given.map(round);
      const own = slopes.map((slope, k) =>
        round(factors[k] * slope * (k % 2 === 0 ? Math.cos(at[0]) : 2 * at[1])),
      );
      const params =
        run % 2 === 0
          ? vectorParams(
              new Float64Array(2),
              layoutOf([
                { name: 'u', shape: [] },
                { name: 'v', shape: [1] },
              ]),
            )
          : undefined;
      const problem: Problem = {
        p0: Float64Array.of(9, 9),
        precision,
        residualCount: m,
        fg: () => NaN,
        residuals(x, out, jacobian) {
          out.set(r(x));
          jacobian?.set(own);
        },
        ...(params && { params }),
      };
      const base = r(at);
      const differences = new Float64Array(m * n);
      const steps = { scheme: '3-point', precision, sizes: at.map(Math.abs), bounds: null } as const;
      runUnguarded(differenceJacobian(at, Float64Array.from(base), differences, steps), problem);
      const columns = [0, 1].map((j) => Math.max(...base.map((_, i) => Math.abs(differences[2 * i + j]))));
      let undetermined = 0;
      const elements = own.map((jacobian, k) => {
        const [row, column] = [Math.floor(k / n), k % n];
        const difference = differences[k];
        const apart = Math.abs(jacobian - difference);
        const rounding = (10 * epsilon * Math.abs(base[row])) / (epsilon ** (1 / 3) * at[column]);
        const size = Math.max(Math.abs(jacobian), Math.abs(difference), columns[column] / 100);
        const error = apart > rounding ? (apart - rounding) / size : 0;
        if (error === 0 && apart > size / 10) undetermined++;
        const tensor = params ? ['u', 'v'][column] : null;
        return {
          row,
          column,
          tensor,
          jacobian,
          difference,
          exact: error,
        };
      });
      const sorted = elements.toSorted((a, b) => b.exact - a.exact);
      const bare = ({ exact, ...element }: (typeof elements)[number]) => ({
        ...element,
        error: expect.closeTo(exact, 9) as number,
      });
      const tolerance = precision === 'float32' ? 1e-2 : 1e-5;
      const wrong = sorted.filter(({ exact }) => exact > tolerance).map(bare);
      const check = checkJacobian(problem, { at: given });
      expect(check).toMatchObject({
        ok: wrong.length === 0,
        checked: 6,
        wrong,
        undetermined,
        worst: bare(sorted[0]),
      });
      const { worst } = check;
      const place = `row ${worst.row}, column ${worst.column}${params ? ` (of "${worst.tensor}")` : ''}`;
      const right = undetermined === 0 ? 'all 6' : `${6 - undetermined} of 6`;
      const verdict =
        wrong.length > 0
          ? `The Jacobian disagrees with the residuals in ${wrong.length} of 6 elements; worst is ${place}: ${worst.jacobian} against ${worst.difference.toPrecision(7)} by differences.`
          : `The Jacobian agrees with the residuals in ${right} elements.`;
      const hidden = ` Not determined, because rounding of the residuals hides them: ${undetermined}.`;
      expect(check.message).toBe(undetermined > 0 ? verdict + hidden : verdict);
    }
  });

  it('takes float64 where a problem says nothing else', () => {
    const plain: Problem = {
      p0: Float64Array.of(1, 2),
      residualCount: 1,
      fg: () => NaN,
      residuals([a, b], r, jacobian) {
        r[0] = a * b;
        jacobian?.set([b, a * (1 + 1e-4)]);
      },
    };
    expect(checkJacobian(plain).wrong).toMatchObject([{ row: 0, column: 1 }]);
    expect(checkJacobian({ ...plain, precision: 'float32' }).ok).toBe(true);
    expect(checkJacobian(plain, { tolerance: 1e-3 }).ok).toBe(true);
  });

  it.each([undefined, 0, 1.5])('refuses a problem whose residualCount is %s', (residualCount) => {
    const problem = { ...logarithm(Float64Array.of(1)), residualCount } as Problem;
    expect(() => checkJacobian(problem)).toThrow(
      new RangeError(`checkJacobian: residualCount must be a whole number ≥ 1, got ${residualCount}.`),
    );
  });

  it('speaks in its own name where it answers later', async () => {
    const given = { at: Float64Array.of(1, 2) };
    await expect(checkJacobianAsync(logarithm(Float64Array.of(1)), given)).rejects.toThrow(
      'checkJacobianAsync: at: must be a Float64Array(1), got Float64Array(2).',
    );
    expect(() => checkJacobian(undefined as never)).toThrow(
      'checkJacobian: the problem must have residuals, got undefined;',
    );
  });

  /** One residual, log x, with the right derivative. */
  const logarithm = (p0: Float64Array) =>
    leastSquares({
      p0,
      residualCount: 2,
      residuals([x], r, jacobian) {
        r.set([1, Math.log(x)]);
        jacobian?.set([0, 1 / x]);
      },
    });

  it('names a residual that is not finite', () => {
    expect(() => checkJacobian(logarithm(Float64Array.of(0)))).toThrow(
      new RangeError('checkJacobian: residual 1 is -Infinity; check where all are finite.'),
    );
    const first = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals: (_, r, jacobian) => {
        r[0] = Infinity;
        jacobian?.fill(1);
      },
    });
    expect(() => checkJacobian(first)).toThrow('checkJacobian: residual 0 is Infinity;');
  });

  it('names an unknown for which there is no difference, and puts the parameters back', () => {
    const params = vectorParams(Float64Array.of(5));
    const lonely: Problem = {
      p0: Float64Array.of(1),
      params,
      residualCount: 1,
      fg: () => NaN,
      residuals([x], r, jacobian) {
        params.copyFrom(Float64Array.of(x));
        r[0] = x === 1 ? 2 : NaN;
        jacobian?.fill(1);
      },
    };
    expect(() => checkJacobian(lonely)).toThrow(
      new RangeError('checkJacobian: no finite difference in unknown 0; check at another point.'),
    );
    expect(params.copyInto(new Float64Array(1))).toEqual(Float64Array.of(5));
  });

  it('lists at most 1000 elements, the worst first', () => {
    const many = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1200,
      residuals([x], r, jacobian) {
        r.forEach((_, i) => (r[i] = x * (i + 1)));
        jacobian?.forEach((_, i) => (jacobian[i] = (i + 1) * (1 + (i + 1) / 1000)));
      },
    });
    const { wrong, worst, message } = checkJacobian(many);
    expect(wrong).toHaveLength(1000);
    expect([worst.row, wrong[0].row, wrong[999].row]).toEqual([1199, 1199, 200]);
    expect(message).toContain('in 1200 of 1200 elements');
  });
});
