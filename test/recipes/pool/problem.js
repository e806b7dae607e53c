import { glorot, tanhNetwork } from '../../../bench/problems/tanhNetwork.js';

const widths = [1, 16, 16, 1];
const inputs = Float64Array.from({ length: 200 }, (_, i) => -3 + (6 * i) / 199);

/**
 * A network on a sine of the frequency given; with `fail`, a loss that throws far from the start.
 *
 * @param {{ frequency: number, fail?: boolean }} data
 */
export default function problem({ frequency, fail = false }) {
  const { fg } = tanhNetwork(
    widths,
    inputs,
    inputs.map((value) => Math.sin(frequency * value)),
  );
  const p0 = glorot(widths, 1);
  /** @type {import('quasi-newton').Objective} */
  const far = (x, gradient) => {
    if (fail && Math.abs(x[0] - p0[0]) > 0.1) throw new Error('far out');
    return fg(x, gradient);
  };
  return { p0, fg: far, metrics: { first: (/** @type {Float64Array} */ x) => x[0] } };
}
