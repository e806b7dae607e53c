import cliProgress from 'cli-progress';

/**
 * A progress bar on standard error, so that a redirected report stays clean.
 *
 * @param {string} label
 * @param {number} total
 */
export function progressBar(label, total) {
  const bar = new cliProgress.SingleBar(
    {
      format: `${label.padEnd(24)} [{bar}] {percentage}%  {value}/{total}  {eta_formatted} left`,
      clearOnComplete: true,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 5000,
      formatTime: timeLeft,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    step: () => bar.increment(),
    at: (/** @type {number} */ value) => bar.update(Math.floor(value)),
    done: () => bar.stop(),
  };
}

/**
 * A bar as the `onProgress` of a landscape, gone when all its points are evaluated.
 *
 * @param {string} label
 * @returns {(progress: import('quasi-newton/landscape').Progress) => void}
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

/** Seconds as words; what is no number yet, when many steps came at once, is not told. @param {number} seconds */
function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return '…';
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
