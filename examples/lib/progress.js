import { duration, statusLine } from '../../bin/lib/status.js';

/**
 * Makes a progress bar on standard error, so that a redirected report stays clean.
 *
 * @param {string} label
 * @param {number} total
 */
export function progressBar(label, total) {
  const line = statusLine();
  const start = performance.now();
  let value = 0;
  const at = (/** @type {number} */ next) => {
    value = next;
    const left = ((performance.now() - start) / 1000) * (total / value - 1);
    line.show(`${label}  ${Math.floor(value)} of ${total}, ${duration(left)} left`, value / total);
  };
  return { step: () => at(value + 1), at, done: () => line.done() };
}

/**
 * Makes a progress bar for the option `onProgress` of a landscape; it disappears when all points are evaluated.
 *
 * @param {string} label
 * @returns {(progress: import('quasi-newton/landscape').LandscapeProgress) => void}
 */
export function landscapeBar(label) {
  /** @type {ReturnType<typeof progressBar> | undefined} */
  let bar;
  return ({ done, total }) => {
    bar ??= progressBar(label, total);
    bar.at(done);
    if (done === total) bar.done();
  };
}
