/** Progress of an evaluation. */
export interface LandscapeProgress {
  /** Number of points evaluated. */
  readonly done: number;
  /** Total number of points. */
  readonly total: number;
  /** Points per second in this run. */
  readonly rate: number;
  /** Seconds since the start of this run. */
  readonly elapsed: number;
  /** Seconds remaining at this rate. */
  readonly remaining: number;
}

/**
 * Reports progress at most ten times a second, and at the end.
 *
 * @param most - total number of points, unless a call overrides it
 * @param before - points that an earlier run has evaluated
 */
export function progressMeter(
  most: number,
  before: number,
  report: ((progress: LandscapeProgress) => void) | undefined,
): (done: number, total?: number) => void {
  if (report === undefined) return () => {};
  const start = performance.now();
  let last = start;
  return (done, total = most) => {
    const now = performance.now();
    if (done < total && now - last < 100) return;
    last = now;
    const elapsed = (now - start) / 1000;
    const rate = (done - before) / Math.max(elapsed, 1e-9);
    report({ done, total, rate, elapsed, remaining: (total - done) / rate });
  };
}
