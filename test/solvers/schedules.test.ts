import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  cosineDecay,
  exponentialDecay,
  warmup,
  warmupCosine,
  warmupStableDecay,
  type Schedule,
} from 'quasi-newton';
import { scheduleOf, scheduleRule, showSchedule } from '../../src/solvers/schedules.ts';

const rates = fc.double({ min: 1e-6, max: 10, noNaN: true });
const lengths = fc.integer({ min: 1, max: 2000 });
/** A part of the rate it begins with. */
const parts = fc.double({ min: 0, max: 1, noNaN: true });

/** All rates from step 0 to `end`. */
const ratesOf = (schedule: Schedule, end: number) =>
  Array.from({ length: end + 1 }, (_, step) => schedule(step));

/** |actual − expected| in units of `scale`. */
const error = (actual: number, expected: number, scale = 1) => Math.abs(actual - expected) / scale;

const TOLERANCE = 1e-12;

describe('cosineDecay', () => {
  it('is η = η_min + ½(η_max − η_min)(1 + cos(πt/T)) up to T, and η_min after it', () => {
    const schedule = cosineDecay({ from: 0.3, to: 0.02, steps: 40 });
    for (let t = 0; t <= 40; t++) {
      expect(error(schedule(t), 0.02 + 0.5 * (0.3 - 0.02) * (1 + Math.cos((t / 40) * Math.PI)))).toBeLessThan(
        TOLERANCE,
      );
    }
    for (const t of [40, 41, 60, 79, 80, 81, 1e6]) expect(schedule(t)).toBe(0.02);
  });

  it('passes through the mean of its ends half-way, and a half by default ends in 0', () => {
    expect(error(cosineDecay({ from: 0.3, to: 0.1, steps: 10 })(5), 0.2)).toBeLessThan(TOLERANCE);
    expect(error(cosineDecay({ from: 0.3, steps: 10 })(5), 0.15)).toBeLessThan(TOLERANCE);
    expect(cosineDecay({ from: 0.3, steps: 10 })(10)).toBe(0);
  });

  it('begins at `from`, falls at every step, ends at `to`, and stays between them', () => {
    fc.assert(
      fc.property(rates, parts, lengths, (from, part, steps) => {
        const to = from * part;
        const all = ratesOf(cosineDecay({ from, to, steps }), steps + 5);
        expect(error(all[0], from, from)).toBeLessThan(TOLERANCE);
        expect(error(all[steps], to, from)).toBeLessThan(TOLERANCE);
        const slack = 1e-12 * from;
        expect(Math.min(...all)).toBeGreaterThanOrEqual(to - slack);
        expect(Math.max(...all)).toBeLessThanOrEqual(from + slack);
        expect(Math.max(...all.slice(1).map((rate, t) => rate - all[t]))).toBeLessThanOrEqual(slack);
      }),
      { numRuns: 50 },
    );
  });

  it('never changes by more than half a cosine can in a step', () => {
    fc.assert(
      fc.property(rates, lengths, (from, steps) => {
        const all = ratesOf(cosineDecay({ from, steps }), steps + 5);
        const steepest = ((Math.PI / 2) * from) / steps + 1e-12 * from;
        const changes = all.slice(1).map((rate, t) => Math.abs(rate - all[t]));
        expect(Math.max(...changes)).toBeLessThanOrEqual(steepest);
      }),
      { numRuns: 50 },
    );
  });
});

describe('exponentialDecay', () => {
  it('multiplies by `rate` each `steps` steps, and between them evenly', () => {
    const schedule = exponentialDecay({ from: 0.5, rate: 0.1, steps: 30 });
    for (let t = 0; t <= 120; t++)
      expect(error(schedule(t), 0.5 * Math.exp((t / 30) * Math.log(0.1)))).toBeLessThan(TOLERANCE);
    expect(error(schedule(30), 0.05)).toBeLessThan(TOLERANCE);
    expect(error(schedule(60), 0.005)).toBeLessThan(TOLERANCE);
  });

  it('is positive, falls, and decays by the same factor over equal spans', () => {
    const decays = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(rates, decays, lengths, fc.integer({ min: 0, max: 100 }), (from, rate, steps, t) => {
        const schedule = exponentialDecay({ from, rate, steps });
        expect(error(schedule(0), from, from)).toBeLessThan(TOLERANCE);
        expect(schedule(t)).toBeGreaterThan(0);
        expect(schedule(t + 1)).toBeLessThanOrEqual(schedule(t));
        expect(Math.abs(schedule(t + steps) / schedule(t) - rate)).toBeLessThan(1e-12);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps its rate with a factor of 1, and is 0 after the first step with a factor of 0', () => {
    expect(ratesOf(exponentialDecay({ from: 0.2, rate: 1, steps: 3 }), 9)).toEqual(Array(10).fill(0.2));
    expect(ratesOf(exponentialDecay({ from: 0.2, rate: 0, steps: 3 }), 3)).toEqual([0.2, 0, 0, 0]);
  });
});

describe('warmup', () => {
  it('rises in equal parts to the first rate of what follows, which then begins', () => {
    const after = cosineDecay({ from: 0.4, steps: 10 });
    const schedule = warmup({ steps: 4, after });
    [0.1, 0.2, 0.3, 0.4].forEach((rate, t) => expect(error(schedule(t), rate)).toBeLessThan(TOLERANCE));
    for (let t = 0; t < 12; t++) expect(schedule(4 + t)).toBe(after(t));
  });

  it('rises from 0 to a constant rate and stays there', () => {
    expect(ratesOf(warmup({ steps: 2, after: 1 }), 4)).toEqual([0.5, 1, 1, 1, 1]);
    expect(ratesOf(warmup({ steps: 1, after: 0.25 }), 2)).toEqual([0.25, 0.25, 0.25]);
  });

  it('is positive from its first step, rises by equal parts, and joins what follows without a jump', () => {
    fc.assert(
      fc.property(rates, lengths, lengths, (from, steps, decay) => {
        const after = cosineDecay({ from, steps: decay });
        const all = ratesOf(warmup({ steps, after }), steps + 3);
        expect(all[0]).toBeGreaterThan(0);
        const rise = all.slice(0, steps).map((rate, t) => error(rate, (from / steps) * (t + 1), from));
        expect(Math.max(...rise)).toBeLessThan(TOLERANCE);
        expect(Math.abs(all[steps] - all[steps - 1])).toBeLessThanOrEqual(1e-12 * from);
        for (let t = 0; t < 4; t++) expect(all[steps + t]).toBe(after(t));
      }),
      { numRuns: 50 },
    );
  });
});

describe('options of schedules', () => {
  const wrong = (options: object) => options as never;
  const steps = 'steps: must be a whole number in [1, 9007199254740991]';
  it.each([
    ['cosineDecay', 'from and steps must be given', () => cosineDecay(wrong({}))],
    ['cosineDecay', 'steps must be given', () => cosineDecay(wrong({ from: 1 }))],
    ['cosineDecay', 'from: must be a finite number > 0, got 0', () => cosineDecay({ from: 0, steps: 1 })],
    ['cosineDecay', 'steps: must be a whole number ≥ 1, got 0', () => cosineDecay({ from: 1, steps: 0 })],
    [
      'cosineDecay',
      'to: must be a finite number ≥ 0, got -1',
      () => cosineDecay({ from: 1, steps: 1, to: -1 }),
    ],
    ['exponentialDecay', 'from and rate and steps must be given', () => exponentialDecay(wrong({}))],
    [
      'exponentialDecay',
      '3 options are wrong:\n  from: must be a finite number > 0, got -1.\n  rate: must be a number in [0, 1], got 2.\n  steps: must be a whole number ≥ 1, got 1.5.',
      () => exponentialDecay({ from: -1, rate: 2, steps: 1.5 }),
    ],
    ['warmup', 'steps and after must be given', () => warmup(wrong({}))],
    ['warmup', `${steps}, got 0.`, () => warmup({ steps: 0, after: 1 })],
    // A rise without an end would be a rate of 0.
    ['warmup', `${steps}, got Infinity.`, () => warmup({ steps: Infinity, after: 1 })],
    [
      'warmup',
      'after: must be a finite number > 0 or a schedule such as cosineDecay({ from, steps }), got "1"',
      () => warmup(wrong({ steps: 1, after: '1' })),
    ],
  ])('%s refuses: %s', (name, message, call) => {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(`${name}: ${message}`);
  });

  it('accept a last rate of 0', () => {
    expect(cosineDecay({ from: 1, to: 0, steps: 1 })(1)).toBe(0);
  });
});

test('a rate counts as a schedule that is constant, and is shown as its number', () => {
  expect([0, 1, 100].map(scheduleOf(0.5))).toEqual([0.5, 0.5, 0.5]);
  const schedule = () => 1;
  expect(scheduleOf(schedule)).toBe(schedule);
  expect([showSchedule(0.01), showSchedule(schedule)]).toEqual(['0.01', 'by schedule']);
  expect([0.1, schedule, 0, -1, Infinity, NaN, '1', null].map(scheduleRule.accepts)).toEqual([
    true,
    true,
    ...Array(6).fill(false),
  ]);
});

describe('warmupCosine', () => {
  it('rises in its warm-up, then falls along half a cosine to its end', () => {
    const schedule = warmupCosine({ peak: 0.4, steps: 50, warmup: 10, to: 0.1 });
    for (let t = 0; t < 10; t++) expect(error(schedule(t), (0.4 * (t + 1)) / 10)).toBeLessThan(TOLERANCE);
    for (let t = 10; t <= 50; t++) {
      const cosine = 0.1 + 0.15 * (1 + Math.cos((Math.PI * (t - 10)) / 40));
      expect(error(schedule(t), cosine)).toBeLessThan(TOLERANCE);
    }
    expect(schedule(500)).toBe(0.1);
  });

  it('warmupCosine by default warms up for a twentieth of the steps and ends at 0', () => {
    const [short, given] = [
      warmupCosine({ peak: 1, steps: 100 }),
      warmupCosine({ peak: 1, steps: 100, warmup: 5, to: 0 }),
    ];
    for (let t = 0; t <= 110; t++) expect(short(t)).toBe(given(t));
    // Too short for a warm-up.
    expect(warmupCosine({ peak: 1, steps: 3 })(0)).toBe(1);
  });

  it('may leave a single step for the decay', () => {
    const schedule = warmupCosine({ peak: 1, steps: 4, warmup: 3 });
    expect([2, 3, 4].map(schedule)).toEqual([1, 1, 0]);
  });

  it('refuses what is missing, out of range, or longer than the run', () => {
    const give = warmupCosine as (options: object) => unknown;
    expect(() => give({})).toThrow('warmupCosine: peak and steps must be given.');
    expect(() => give({ peak: 0, steps: Infinity })).toThrow(/^warmupCosine: 2 options[^]*peak: [^]*steps: /);
    expect(() => give({ peak: 1, steps: 10, warmup: 10 })).toThrow(
      'warmupCosine: warmup must be at most steps − 1 = 9; got 10.',
    );
  });
});

describe('warmupStableDecay', () => {
  it('rises, stays, and falls along a line to 0', () => {
    const schedule = warmupStableDecay({ peak: 0.5, steps: 100, warmup: 10, decay: 40 });
    for (let t = 0; t < 10; t++) expect(error(schedule(t), (0.5 * (t + 1)) / 10)).toBeLessThan(TOLERANCE);
    for (let t = 10; t <= 60; t++) expect(schedule(t)).toBe(0.5);
    for (let t = 60; t <= 100; t++)
      expect(error(schedule(t), (0.5 * (100 - t)) / 40)).toBeLessThan(TOLERANCE);
    for (const t of [100, 101, 1e6]) expect(schedule(t)).toBe(0);
  });

  it('warmupStableDecay by default warms up for a twentieth and decays in the last fifth of the steps', () => {
    const [short, given] = [
      warmupStableDecay({ peak: 1, steps: 200 }),
      warmupStableDecay({ peak: 1, steps: 200, warmup: 10, decay: 40 }),
    ];
    for (let t = 0; t <= 210; t++) expect(short(t)).toBe(given(t));
  });

  it('can do without warm-up and decay, and ends after its steps', () => {
    const schedule = warmupStableDecay({ peak: 2, steps: 5, warmup: 0, decay: 0 });
    expect([0, 1, 4, 5, 6].map(schedule)).toEqual([2, 2, 2, 0, 0]);
  });

  it('may decay from the end of its warm-up on', () => {
    const schedule = warmupStableDecay({ peak: 1, steps: 4, warmup: 2, decay: 2 });
    expect([0, 1, 2, 3, 4].map(schedule)).toEqual([0.5, 1, 1, 0.5, 0]);
  });

  it('refuses what is missing, out of range, or longer than the run', () => {
    const give = warmupStableDecay as (options: object) => unknown;
    expect(() => give({ peak: 1 })).toThrow('warmupStableDecay: steps must be given.');
    expect(() => give({ peak: 1, steps: 10, decay: -1 })).toThrow(
      /^warmupStableDecay: decay: must be a whole number/,
    );
    expect(() => give({ peak: 1, steps: 10, warmup: 5, decay: 6 })).toThrow(
      'warmupStableDecay: warmup + decay must be at most steps = 10; got 11.',
    );
  });
});
