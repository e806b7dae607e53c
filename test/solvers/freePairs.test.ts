import { describe, expect, it } from 'vitest';
import { limitedMemory, type LimitedMemoryOptions } from '../../src/solvers/limitedMemory.ts';
import { difference } from './walk.ts';
import { dot, plus, type Pair, type Vector } from './vectors.ts';

// Oracle: L-BFGS of the free elements alone, as if the others did not exist.

const pairs: Pair[] = [
  { s: [1, 0.5, -0.3, 0.2, 1], y: [3, 1, -1, 0.1, 2] },
  { s: [-0.5, 1, 0.4, 0.1, 0], y: [-1, 4, 0.5, 0.3, 0.2] },
  { s: [0.2, -0.1, 1, 0.6, -2], y: [0.5, 0.1, 2, 1, -3] },
];
const gradient = [1, -2, 0.5, 3, -1];

/** A memory that has learned the pairs; α and the vector that H was applied to are such that sᵀBs = 4, for self-scaling. */
function memoryOf(options: LimitedMemoryOptions, learned: readonly Pair[]) {
  const descent = limitedMemory(() => 3, { modifiedSecant: false, ...options }, true);
  const memory = descent.init({ n: 5, precision: 'float64' });
  for (const { s, y } of learned) {
    const zeros = new Float64Array(5);
    const appliedTo = Float64Array.from(s, (value) => (-4 * value) / dot(s, s));
    const step = {
      x: zeros,
      gradient: zeros,
      trial: Float64Array.from(s),
      trialGradient: Float64Array.from(y),
    };
    descent.learn(memory, { ...step, direction: step.trial, f: 1, trialF: 0, alpha: 1, appliedTo });
  }
  return { descent, memory };
}

function direction(
  options: LimitedMemoryOptions,
  learned: readonly Pair[],
  held: readonly number[],
  g = gradient,
) {
  const out = new Float64Array(5);
  const { descent, memory } = memoryOf(options, learned);
  descent.apply(memory, Float64Array.from(g), out, held);
  return [...out];
}

/** −Hg in the free elements, each pair's H divided by its τ; 0 in the others. */
function expected(
  learned: readonly Pair[],
  held: readonly number[],
  initial: (pair: Pair, v: Vector) => Vector,
  { first = -1, tau = (_pair: Pair): number => 1 } = {},
): Vector {
  const free = gradient.map((_, i) => i).filter((i) => !held.includes(i));
  const part = (v: Vector) => free.map((i) => v[i]);
  const kept = learned.map((pair) => ({ s: part(pair.s), y: part(pair.y), tau: tau(pair) }));
  const times = (count: number, v: Vector): Vector => {
    if (count === 0) return initial(kept.at(first) as Pair, v);
    const { s, y, tau } = kept[count - 1];
    const rho = 1 / dot(s, y);
    const inner = times(count - 1, plus(v, -rho * dot(s, v), y)).map((value) => value / tau);
    return plus(inner, rho * dot(s, v) - rho * dot(y, inner), s);
  };
  const p = times(kept.length, part(gradient));
  const out = gradient.map(() => 0);
  free.forEach((i, k) => (out[i] = -p[k]));
  return out;
}

const scaled = (gammaOf: (pair: Pair) => number) => (pair: Pair, v: Vector) =>
  v.map((value) => gammaOf(pair) * value);

const short = scaled(({ s, y }) => dot(s, y) / dot(y, y));

describe('the direction in the free elements', () => {
  it.each([[[]], [[1]], [[0, 4]], [[4]], [[0, 1, 2]]])(
    'is that of their parts of the pairs, with %j held',
    (held) => {
      expect(difference(direction({}, pairs, held), expected(pairs, held, short))).toBeLessThan(1e-13);
    },
  );

  it.each<[NonNullable<LimitedMemoryOptions['initialScaling']>, (pair: Pair) => number]>([
    ['long', ({ s, y }) => dot(s, s) / dot(s, y)],
    ['geometric', ({ s, y }) => Math.sqrt(dot(s, s) / dot(y, y))],
    ['none', () => 1],
  ])('has H₀ of the newest pair’s part: %s', (initialScaling, gammaOf) => {
    for (const held of [[], [0, 4]]) {
      const wanted = expected(pairs, held, scaled(gammaOf));
      expect(difference(direction({ initialScaling }, pairs, held), wanted)).toBeLessThan(1e-13);
    }
  });

  it('has H₀ of the oldest pair where it is self-scaled, and τ of the whole pairs', () => {
    const tau = ({ s, y }: Pair) => Math.min(1, dot(s, y) / 4);
    for (const held of [[], [1]]) {
      const wanted = expected(pairs, held, short, { first: 0, tau });
      expect(difference(direction({ selfScaling: true }, pairs, held), wanted)).toBeLessThan(1e-13);
    }
  });

  it('the direction in the free elements with a preconditioner has H₀ = γP⁻¹ with γ of the whole pair', () => {
    const weights = [1, 2, 4, 8, 16];
    const preconditioner = (v: Float64Array, out: Float64Array) =>
      out.set(v.map((value, i) => value / weights[i]));
    for (const held of [[], [0, 3]]) {
      const { s, y } = pairs[2];
      const gamma = dot(s, y) / y.reduce((sum, value, i) => sum + value ** 2 / weights[i], 0);
      const left = weights.filter((_, i) => !held.includes(i));
      const initial = (_pair: Pair, v: Vector) => v.map((value, k) => (gamma * value) / left[k]);
      const wanted = expected(pairs, held, initial);
      expect(difference(direction({ preconditioner }, pairs, held), wanted)).toBeLessThan(1e-13);
    }
  });

  it('leaves out pairs of which the free elements have no curvature', () => {
    const own: Pair = { s: [1, 1, 0, 0, 0], y: [5, -1, 0, 0, 0] };
    // Without element 0, sᵀy is −1; with 1 held, it is 5 of 4.
    expect(
      difference(direction({}, [...pairs, own], [0]), expected(pairs.slice(1), [0], short)),
    ).toBeLessThan(1e-13);
    const whole = [...pairs.slice(1), own];
    expect(difference(direction({}, [...pairs, own], [1]), expected(whole, [1], short))).toBeLessThan(1e-13);
    // A millionth of a millionth of the curvature is the rounding of the rest.
    const faint: Pair = { s: [1, 1, 0, 0, 0], y: [1, 1e-9, 0, 0, 0] };
    expect(
      difference(direction({}, [...pairs, faint], [0]), expected(pairs.slice(1), [0], short)),
    ).toBeLessThan(1e-13);
    const enough: Pair = { s: [1, 1, 0, 0, 0], y: [1, 1e-7, 0, 0, 0] };
    const kept = [...pairs.slice(1), enough];
    const wanted = expected(kept, [0], short);
    const actual = direction({}, [...pairs, enough], [0]);
    const largest = Math.max(...wanted.map(Math.abs));
    expect(
      difference(
        actual.map((v) => v / largest),
        wanted.map((v) => v / largest),
      ),
    ).toBeLessThan(1e-6);
  });

  it('is the same from pairs in float32, whose numbers these are, short or long', () => {
    for (const n of [5, 600]) {
      const directions = (['float64', 'float32'] as const).map((storage) => {
        const descent = limitedMemory(() => 3, { modifiedSecant: false, storage }, true);
        const memory = descent.init({ n, precision: 'float64' });
        const vector = (fill: (i: number) => number) => {
          const made = descent.vector!(memory);
          made.forEach((_, i) => (made[i] = Math.fround(fill(i))));
          return made;
        };
        for (let k = 0; k < 3; k++) {
          const trial = vector((i) => Math.sin(3 * i + k));
          const trialGradient = vector((i) => (1 + (i % 4)) * trial[i]);
          const [x, g] = [vector(() => 0), vector(() => 0)];
          const step = { x, gradient: g, trial, trialGradient, direction: trial, f: 1, trialF: 0, alpha: 1 };
          descent.learn(memory, step);
        }
        const out = vector(() => 0);
        descent.apply(
          memory,
          vector((i) => Math.cos(i)),
          out,
          [1, 3],
        );
        return Array.from(out);
      });
      expect(difference(directions[1], directions[0])).toBeLessThan(1e-13);
      expect(Math.max(...directions[0])).toBeGreaterThan(0.1);
    }
  });

  it('is −g, no element longer than 1, where no pair is left', () => {
    const cut = (g: number[], held: number[]) => direction({}, [], held, g);
    expect(cut([1, -2, 0.5, 4, -1], [])).toEqual([-0.25, 0.5, -0.125, -1, 0.25]);
    expect(cut([1, -2, 0.5, 4, -1], [3])).toEqual([-0.5, 1, -0.25, 0, 0.5]);
    expect(cut([0.5, -0.25, 0, 9, 0], [3])).toEqual([-0.5, 0.25, -0, 0, -0]);
  });
});
