import { describe, expect, it, test } from 'vitest';
import {
  abortSignal,
  anything as anyValue,
  boolean,
  callable,
  checkOptions,
  either,
  faultsOf,
  finitePositive,
  integerFrom,
  integerIn,
  isPlainObject,
  list,
  nonNegative,
  numberBetween,
  numberIn,
  object,
  objectWith,
  oneOf,
  positive,
  show,
  string,
  type Rule,
} from '../../src/core/options.ts';

const anything = [
  0, -0, 1, -1, 0.5, 2, 3, 2.5, 5, 1e300, -1e-300, Infinity, -Infinity, NaN,
  '', '1', 'a', true, false, null, undefined, 1n, [], [1], {}, { a: 1 }, () => 1, new Float64Array(1),
  new DataView(new ArrayBuffer(1)),
]; // prettier-ignore

const isFiniteNumber = (v: unknown): v is number => typeof v === 'number' && v - v === 0;
const isNumber = (v: unknown): v is number => typeof v === 'number' && v === v;

describe('a rule accepts what it says and nothing else', () => {
  const rules: [Rule, string, (v: unknown) => boolean][] = [
    [numberIn(0, 2), 'a number in [0, 2]', (v) => isNumber(v) && 0 <= v && v <= 2],
    [numberBetween(0, 2), 'a number in (0, 2)', (v) => isNumber(v) && 0 < v && v < 2],
    [nonNegative, 'a finite number ≥ 0', (v) => isFiniteNumber(v) && v >= 0],
    [positive, 'a number > 0', (v) => isNumber(v) && v > 0],
    [finitePositive, 'a finite number > 0', (v) => isFiniteNumber(v) && v > 0],
    [integerIn(1, 3), 'a whole number in [1, 3]', (v) => v === 1 || v === 2 || v === 3],
    [
      integerFrom(2),
      'a whole number ≥ 2',
      (v) => v === Infinity || (isFiniteNumber(v) && v % 1 === 0 && v >= 2),
    ],
    [boolean, 'true or false', (v) => v === true || v === false],
    [string, 'a string', (v) => typeof v === 'string'],
    [callable, 'a function', (v) => typeof v === 'function'],
    // A DataView has no length.
    [list, 'an array', (v) => typeof v === 'object' && v !== null && 'length' in v],
    [object, 'an object', (v) => typeof v !== 'function' && Object(v) === v],
    [oneOf('a', '1'), "'a' or '1'", (v) => v === 'a' || v === '1'],
    [
      objectWith('a thing', 'a'),
      'a thing',
      (v) => v === anything.find((w) => Object.keys(w ?? {})[0] === 'a'),
    ],
    [
      either(boolean, positive),
      'true or false, or a number > 0',
      (v) => v === true || v === false || (isNumber(v) && v > 0),
    ],
  ];
  it.each(rules)('$allowed', (rule, allowed, accepts) => {
    expect(rule.allowed).toBe(allowed);
    for (const value of anything) expect([value, rule.accepts(value)]).toEqual([value, accepts(value)]);
  });

  it('an object that has all of the names', () => {
    const rule = objectWith('a pair', 'a', 'b');
    expect(
      [{ a: 1 }, { b: 1 }, { a: 1, b: 2 }, { a: undefined, b: null, c: 1 }].map((v) => rule.accepts(v)),
    ).toEqual([false, false, true, true]);
  });

  it('an AbortSignal', () => {
    expect(abortSignal.allowed).toBe('an AbortSignal');
    expect(abortSignal.accepts(new AbortController().signal)).toBe(true);
    for (const value of [
      ...anything,
      { aborted: true },
      { addEventListener: () => {} },
      new AbortController(),
    ]) {
      expect(abortSignal.accepts(value)).toBe(false);
    }
  });
});

describe('faults', () => {
  it('are not found in options that are absent or undefined', () => {
    const faults = (options: object) => faultsOf<{ a?: unknown }>(options, { a: positive });
    expect([faults({ a: undefined }), faults({})]).toEqual([[], []]);
    expect(faults({ a: null })).toEqual(['a: must be a number > 0, got null.']);
  });

  it('advise on names of other libraries, and only on those that are no options here', () => {
    const options = { b: 1, a: -1, toString: 2 } as { a?: number };
    const advice = { b: 'a is its name here.', a: 'never shown.' };
    expect(faultsOf(options, { a: positive }, advice)).toEqual([
      'b: no such option; a is its name here.',
      'a: must be a number > 0, got -1.',
      'toString: no such option; there are a.',
    ]);
    expect(() => checkOptions('here', { b: 1 } as { a?: number }, { a: positive }, advice)).toThrow(
      new RangeError('here: b: no such option; a is its name here.'),
    );
  });

  it('name every option that there is where one is unknown', () => {
    const options = { c: 1 } as { a?: number; b?: number };
    expect(faultsOf(options, { a: positive, b: positive })).toEqual(['c: no such option; there are a, b.']);
  });

  it.each([null, undefined, 3, 'x', [], () => {}])(
    'faults of options that are %s are a TypeError',
    (options) => {
      const check = () => checkOptions('solve', options as never, { a: positive } as never);
      expect(check).toThrow(TypeError);
      expect(check).toThrow(`solve: options must be an object, got ${show(options)}.`);
    },
  );
});

test('values are shown in a short form that distinguishes strings from numbers', () => {
  const named = function named() {};
  const shown: [unknown, string][] = [
    ['a "b"', '"a \\"b\\""'],
    [3, '3'],
    [NaN, 'NaN'],
    [-0, '0'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [1n, '1n'],
    [named, 'the function named'],
    [(() => () => {})(), 'the function (anonymous)'],
    [new Float32Array(3), 'Float32Array(3)'],
    [[1, 2], 'Array(2)'],
    [new DataView(new ArrayBuffer(5)), 'DataView(5)'],
    [new Date(), 'a Date'],
    [new Map(), 'a Map'],
    [{ a: 1, b: 2 }, 'an object with a, b'],
    [{}, 'an object with nothing'],
    [Object.create(null), 'an object with nothing'],
  ];
  for (const [value, words] of shown) expect(show(value)).toBe(words);
});

test('any value is allowed where it is checked elsewhere', () => {
  for (const value of anything) expect(anyValue.accepts(value)).toBe(true);
});

test('plain objects are those of literals and those without a prototype', () => {
  const plain = [{}, { a: 1 }, Object.create(null) as object];
  const others = [[], new Map(), new Error('no'), new Date(0), () => {}, Object.create({}) as object];
  expect(plain.map(isPlainObject)).toEqual([true, true, true]);
  expect(others.map(isPlainObject)).toEqual(others.map(() => false));
});
