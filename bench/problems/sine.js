import { glorot, tanhNetwork } from './tanhNetwork.js';

const WIDTHS = [1, 5, 5, 1];
const POINTS = 100;

/**
 * The sine problem of FluxOptTools.jl: a 1-5-5-1 tanh network, 46 parameters, learns sin on 100 points of
 * [−π, π].
 *
 * @param {number} seed - of the start
 * @returns {import('quasi-newton').Problem}
 */
export function sine(seed) {
  const inputs = Float64Array.from({ length: POINTS }, (_, i) => Math.PI * ((2 * i) / (POINTS - 1) - 1));
  const { fg } = tanhNetwork(WIDTHS, inputs, inputs.map(Math.sin));
  return { p0: glorot(WIDTHS, seed), fg };
}
