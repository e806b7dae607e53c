import { describe, expect, it } from 'vitest';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { landscapeAsync } from 'quasi-newton/landscape';
import type { AsyncProblem, Problem } from '../../src/core/problem.ts';

/** A quartic whose evaluation takes about a millisecond, and that never comes to its minimum. */
const slow = (): Problem => ({
  p0: Float64Array.of(1, 2),
  fg(x, gradient) {
    const start = performance.now();
    while (performance.now() - start < 1);
    x.forEach((value, i) => gradient?.fill(4 * value ** 3, i, i + 1));
    return x.reduce((sum, value) => sum + value ** 4, 0);
  },
});
const immediate = (): AsyncProblem => {
  const { p0, fg } = slow();
  return { p0, fg: async (x, gradient) => fg(x, gradient) };
};

describe('asynchronous functions let the event loop run', () => {
  const signal = () => AbortSignal.timeout(60);
  it.each<[string, (stop: AbortSignal) => Promise<unknown>]>([
    ['minimizeAsync', (stop) => minimizeAsync(immediate(), lbfgs(), { ...endless, signal: stop })],
    [
      'minimizeAsync of a synchronous problem',
      (stop) => minimizeAsync(slow(), lbfgs(), { ...endless, signal: stop }),
    ],
    ['landscapeAsync', (stop) => landscapeAsync(slow(), { npoints: 61, signal: stop })],
  ])('%s: a signal stops it', async (_, run) => {
    const start = performance.now();
    await expect(run(signal())).rejects.toThrow(/abort|timeout/i);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('as often as yieldEvery says', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await minimizeAsync({ ...immediate(), yieldEvery: Infinity }, lbfgs(), { maxIterations: 30, gtol: 0 });
    const without = turns;
    await minimizeAsync({ ...immediate(), yieldEvery: 0 }, lbfgs(), { maxIterations: 30, gtol: 0 });
    clearInterval(timer);
    expect(without).toBe(0);
    expect(turns).toBeGreaterThan(5);
  });
});

const endless = { gtol: 0, maxIterations: 1e6 };
