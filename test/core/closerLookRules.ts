/** The rules of `lookCloser`, written once more for its test. */

export interface Point {
  x: number[];
  f: number;
  g: number[];
}

/** Evaluated part of a line: both ends, and a point between them. */
export type Part = [start: Point, middle: Point, end: Point];

/** What the rules are about. */
export interface Facts {
  here: Point;
  precision: 'float32' | 'float64';
  highest: number;
  smallest: number | undefined;
  admit: ((x: Float64Array) => void) | undefined;
  /** Evaluates f at a part of a step from the point. */
  evaluate: (step: number[], part: number) => Point;
  /** Size that the rounding of f is relative to. */
  size: (point: Point) => number;
  /** Root of the mean square of the k-th differences, relative to that of noise of variance 1. */
  deviation: (values: number[], k: number) => number;
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const inner = (a: number[], b: number[]) => sum(a.map((value, i) => value * b[i]));
const epsilon = { float32: 2 ** -23, float64: 2 ** -52 };

/** Weights of Boole's rule on [0, 1]. */
const BOOLE = [7, 32, 12, 32, 7].map((weight) => weight / 90);

/** Value at t of the polynomial through the nodes, by Neville's recursion. */
function neville(nodes: { t: number; v: number }[], t: number): number {
  let values = nodes.map(({ v }) => v);
  for (let order = 1; order < nodes.length; order++) {
    values = values.slice(1).map((next, i) => {
      const [a, b] = [nodes[i].t, nodes[i + order].t];
      return ((t - a) * next + (b - t) * values[i]) / (b - a);
    });
  }
  return values[0];
}

/** Integral of that polynomial from a to b; Boole's rule is exact for its degree. */
const integral = (nodes: { t: number; v: number }[], a: number, b: number): number =>
  (b - a) *
  inner(
    BOOLE,
    [0, 1, 2, 3, 4].map((k) => neville(nodes, a + (k * (b - a)) / 4)),
  );

export function lookCloser(facts: Facts, way: number[], parts: Part[]) {
  const { here, precision, highest, smallest, admit, evaluate, size, deviation } = facts;
  const rounding = (a: Point, b: Point, digits = precision) => 2 * 16 * epsilon[digits] * (size(a) + size(b));
  const places = new Map<Point, number>();
  const displacement = (point: Point) => point.x.map((value, i) => value - here.x[i]);
  const place = (point: Point) => places.get(point)!;
  const beside = (point: Point) =>
    sum(displacement(point).map((value, i) => Math.abs(point.g[i] * (value - place(point) * way[i]))));
  const excess = ([a, m, b]: Part) => {
    const all = [a, m, b];
    const span = Math.abs(place(b) - place(a));
    const others = [...places.keys()].sort(
      (p, q) => Math.abs(place(p) - place(m)) - Math.abs(place(q) - place(m)),
    );
    for (const point of others) {
      const least = Math.min(...all.map((one) => Math.abs(place(one) - place(point))));
      if (all.length < 5 && least >= 0.05 * span) all.push(point);
    }
    const over = (points: Point[]) =>
      integral(
        points.map((point) => ({ t: place(point), v: inner(point.g, way) })),
        place(a),
        place(b),
      );
    const off = Math.max(...all.map(beside));
    const steepest = Math.max(...all.map(({ g }) => Math.abs(inner(g, way))));
    const ofSlopes = 16 * epsilon[precision] * steepest * Math.abs(place(b) - place(a));
    const limit = rounding(a, b) + Math.abs(over(all) - over([a, m, b])) + off + ofSlopes;
    return Math.abs(b.f - a.f - over(all)) / limit;
  };

  const compare = (step: number[]) => {
    const points = [here, ...[1, 2, 3, 4, 5, 6, 7, 8].map((k) => evaluate(step, k / 8))];
    const values = points.map(({ f }) => f);
    const slopes = points.map(({ g }) => inner(g, step));
    const repeated = Math.abs(evaluate(step, 0).f - here.f);
    const rule = (v: number[]) => (inner(BOOLE, v.slice(0, 5)) + inner(BOOLE, v.slice(4))) / 2;
    const gap = values[8] - values[0] - rule(slopes);
    const error =
      rule(slopes) -
      inner(
        BOOLE,
        [0, 2, 4, 6, 8].map((k) => slopes[k]),
      );
    const isFloat32 = values.every((value) => value === Math.fround(value));
    const scatter = 16 * Math.hypot(Math.max(deviation(values, 5), repeated), deviation(slopes, 5));
    const few = new Set(values).size < 6 ? 0.1 * Math.max(highest, Math.abs(here.f)) : 0;
    const stair = values.some((value) => value !== 0) ? few : smallest || highest;
    const limits = [
      Math.abs(error),
      rounding(here, points[8], isFloat32 ? 'float32' : precision),
      scatter,
      stair,
    ];
    const total = Math.max(Math.abs(values[8] - values[0]), rule(slopes.map(Math.abs)));
    return {
      mismatch: { byValues: values[8] - values[0], byGradients: rule(slopes) },
      gap,
      isReal: limits.every((limit) => Math.abs(gap) > limit),
      isLarge: Math.abs(gap) > (precision === 'float32' ? 0.02 : 1e-4) * total,
    };
  };

  return {
    /** Notes a point at its place on the line, in lengths of `way`. */
    note: (point: Point, t: number) => places.set(point, t),
    tells: () => parts.some(([a, , b]) => Math.abs(b.f - a.f) > rounding(a, b)),
    verdict() {
      const excesses = parts.map((part) => Math.min(1e3, excess(part)));
      const most = Math.max(...excesses);
      if (!(most > 1)) return null;
      const length = place(parts[excesses.indexOf(most)][2]);
      let step = way.map((value) => length * value);
      const wanted = Float64Array.from(step, (value, i) => here.x[i] + value);
      const admitted = wanted.slice();
      admit?.(admitted);
      step = step.map((value, i) => (admitted[i] === wanted[i] ? value : 0));
      const difference = (part: number[]) => {
        const points = [here, ...[1, 2, 3, 4].map((k) => evaluate(part, k / 4))];
        return Math.abs(
          points[4].f -
            here.f -
            inner(
              BOOLE,
              points.map(({ g }) => inner(g, part)),
            ),
        );
      };
      for (;;) {
        const moved = step.flatMap((value, i) => (value === 0 ? [] : [i]));
        if (moved.length <= 1) break;
        const halves = [0, 1].map((odd) =>
          step.map((value, i) => (moved.indexOf(i) % 2 === odd ? value : 0)),
        );
        const [even, odd] = halves.map(difference);
        step = halves[even >= odd ? 0 : 1];
      }
      for (const factor of [1, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4]) {
        const whole = compare(step.map((value) => factor * value));
        if (!whole.isReal) return null;
        if (!whole.isLarge) continue;
        const shorter = compare(step.map((value) => factor * 0.618 * value));
        const isConfirmed = shorter.isReal && shorter.isLarge;
        const grows =
          Math.sign(shorter.gap) === Math.sign(whole.gap) && Math.abs(shorter.gap) < Math.abs(whole.gap);
        if (isConfirmed && grows) return whole.mismatch;
      }
      return null;
    },
  };
}
