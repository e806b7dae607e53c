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
