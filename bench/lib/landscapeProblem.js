import { glorot, tanhNetwork } from '../problems/tanhNetwork.js';

const widths = [1, 16, 16, 1];
const inputs = Float64Array.from({ length: 200 }, (_, i) => -3 + (6 * i) / 199);

/** A network of 321 parameters on a sine, in plain JavaScript: each worker makes its own. */
export default function problem() {
  const { fg } = tanhNetwork(widths, inputs, inputs.map(Math.sin));
  return { p0: glorot(widths, 1), fg };
}
