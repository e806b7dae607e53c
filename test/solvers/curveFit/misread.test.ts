import { describe, expect, it } from 'vitest';
import { misread } from '../../../src/solvers/curveFit/misread.ts';

const points = [1, 2, 3];
const blame = (model: unknown, p0: unknown, { at = 1, vectorized = false } = {}) =>
  misread({ model: model as never, vectorized }, points, at, p0 as never);

describe('a model of several arguments', () => {
  it('takes parameters one after the other', () => {
    expect(blame((x: number, a: number, b: number) => x + a + b, [1, 2])).toBe(
      'it takes 3 arguments, and gets two: x and all parameters, as in (x, [a, b]) => … or (x, { a, b }) => …',
    );
    expect(blame((x: number, [a]: number[]) => Math.sqrt(-a) * x, [1])).toBe('');
  });
});

describe('a model that reads more parameters than a list has', () => {
  const line = (x: number, [a, b]: ArrayLike<number> & Iterable<number>) => a + b * x;
  it.each([[[5]], [Float64Array.of(5)]])('is told so, with their number: %o', (p0) => {
    expect(blame(line, p0)).toBe('it reads more parameters than the 1 of p0');
  });

  it('gets those of p0, then nine ones', () => {
    let got: number[] = [];
    blame(
      (_: number, p: Float64Array) => {
        got = [...p];
        return 0;
      },
      [5, 6],
    );
    expect(got).toEqual([5, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('is judged at the point where it is NaN', () => {
    const model = (x: number, [a, b]: number[]) => (x === 3 ? NaN : a + b);
    expect(blame(model, [5], { at: 1 })).not.toBe('');
    expect(blame(model, [5], { at: 2 })).toBe('');
    const all = (x: number[], [a, b]: number[]) => x.map((each) => model(each, [a, b]));
    expect(blame(all, [5], { at: 1, vectorized: true })).not.toBe('');
    expect(blame(all, [5], { at: 2, vectorized: true })).toBe('');
  });

  it.each([
    ['is NaN all the same', () => NaN],
    ['is no number', () => 'one'],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ])('is not blamed if its value %s', (_, model) => {
    expect([blame(model, [1]), blame(model, { a: 1 })]).toEqual(['', '']);
  });
});

describe('a model that reads names which p0 lacks', () => {
  it('is told all of them, once each, and those of p0', () => {
    const model = (x: number, p: Record<string, number>) => p['a'] * x + p['slop'] + p['slop'] + p['off set'];
    expect(blame(model, { a: 2, slope: 1 })).toBe('it reads "slop", "off set", and p0 has a, slope');
  });

  it.each([[[1, 2]], [Float64Array.of(1, 2)]])('is told them if p0 is a list: %o', (p0) => {
    const model = (x: number, { a, rate }: { a: number; rate: number }) => a * Math.exp(-rate * x);
    expect(blame(model, p0)).toBe(
      'it reads "a", "rate", and p0 is a list; name its parameters, as in { name: start }',
    );
    expect(blame((x: number, { a }: { a: number }) => Math.sqrt(-a) * x, p0)).toBe('');
  });

  it('gets the values of p0, and 1 for what p0 lacks', () => {
    const seen: unknown[] = [];
    blame(
      (_: number, p: Record<PropertyKey, unknown>) => {
        seen.push(p['a'], p['b'], p[Symbol.iterator]);
        return 0;
      },
      { a: 7 },
    );
    expect(seen).toEqual([7, 1, undefined]);
  });

  it('is not blamed where it reads none, or what every object has', () => {
    expect(blame((x: number, { a }: { a: number }) => a * x, { a: 1 })).toBe('');
    expect(blame((_: number, p: object) => p.constructor.length, { a: 1 })).toBe('');
  });

  it('is not blamed where it is NaN with 1 in their place', () => {
    expect(blame((x: number, { b }: { b: number }) => Math.sqrt(-b) * x, { a: 1 })).toBe('');
  });
});
