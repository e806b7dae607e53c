import { describe, expect, it } from 'vitest';
import { NOISE_PARTS, noiseOf } from '../../src/core/valueNoise.ts';
import { normal } from '../../bench/problems/random.js';

const parts = Array.from({ length: NOISE_PARTS + 1 }, (_, i) => i / NOISE_PARTS);

describe('the noise of samples', () => {
  it('is that of their scatter, whatever parabola they follow', () => {
    const next = normal(3);
    const estimates = Array.from({ length: 400 }, () =>
      noiseOf(parts.map((t) => 5 + 300 * t - 200 * t * t + 1e-3 * next())),
    );
    estimates.sort((a, b) => a - b);
    // The largest of three estimates lies somewhat above σ.
    expect(estimates[200]).toBeGreaterThan(0.9e-3);
    expect(estimates[200]).toBeLessThan(1.5e-3);
    expect(estimates[0]).toBeGreaterThan(1e-4);
  });

  it('is that of third, fourth and fifth differences, by hand', () => {
    // One outlier of 1 in the middle: binomial coefficients.
    const samples = parts.map((_, i) => (i === 4 ? 1 : 0));
    const sigma3 = Math.sqrt((36 / 720) * ((1 + 9 + 9 + 1) / 6));
    const sigma4 = Math.sqrt((576 / 40320) * ((1 + 16 + 36 + 16 + 1) / 5));
    const sigma5 = Math.sqrt((14400 / 3628800) * ((25 + 100 + 100 + 25) / 4));
    expect(noiseOf(samples)).toBeCloseTo(Math.max(sigma3, sigma4, sigma5), 14);
  });

  it('is nothing of a parabola', () => {
    expect(noiseOf(parts.map((t) => 3 - t + 7 * t * t))).toBeLessThan(1e-14);
  });
});
