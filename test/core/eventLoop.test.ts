import { afterEach, describe, expect, it, vi } from 'vitest';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { landscapeAsync } from 'quasi-newton/landscape';
import { breather } from '../../src/core/eventLoop.ts';
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

  it('asynchronous functions let the event loop run as often as yieldEvery says', async () => {
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

describe('a breather', () => {
  afterEach(() => vi.restoreAllMocks());

  /** A clock that is set by hand, in ms. */
  function clock(start: number) {
    const hand = { now: start };
    vi.spyOn(performance, 'now').mockImplementation(() => hand.now);
    return hand;
  }

  it('waits once the time has passed, counted from the end of the last wait', async () => {
    const hand = clock(1000);
    const breathe = breather(16);
    expect(breathe()).toBeUndefined();
    hand.now = 1015.9;
    expect(breathe()).toBeUndefined();
    hand.now = 1016;
    const waiting = breathe();
    expect(waiting).toBeInstanceOf(Promise);
    hand.now = 1100;
    await waiting;
    expect(breathe()).toBeUndefined();
    hand.now = 1115;
    expect(breathe()).toBeUndefined();
    hand.now = 1116;
    expect(breathe()).toBeInstanceOf(Promise);
  });

  it('lets whatever waits in the event loop run first', async () => {
    const events: string[] = [];
    const { port1, port2 } = new MessageChannel();
    const other = new Promise<void>((resolve) => {
      port1.addEventListener('message', () => {
        events.push('message');
        port1.close();
        resolve();
      });
    });
    port1.start();
    port2.postMessage(null);
    const breath = Promise.resolve(breather(0)()).then(() => events.push('breath'));
    await Promise.resolve();
    events.push('microtask');
    await Promise.all([other, breath]);
    expect(events).toEqual(['microtask', 'message', 'breath']);
  });

  it('closes its channel', async () => {
    const close = vi.spyOn(MessagePort.prototype, 'close');
    await breather(0)();
    expect(close).toHaveBeenCalledTimes(1);
  });
});

const endless = { gtol: 0, maxIterations: 1e6 };
