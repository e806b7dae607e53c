import { graph } from 'quasi-newton/onnx';

/**
 * Returns a generator of uniform random numbers in [0, 1), reproducible by its seed (mulberry32).
 *
 * @param {number} seed
 */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Returns a network of dense layers as the bytes of an .onnx file, in the form in which torch exports `nn.Linear`: Gemm
 * nodes, weights `[out, in]`. Input `x` `[N, sizes[0]]`, output `y`; weights and biases are uniform in
 * ±1/√in, torch's default.
 *
 * @param {number[]} sizes - sizes of the layers, beginning with the input
 * @param {{ activation?: string, seed?: number }} [options] - `activation` is the op between two layers
 */
export function mlp(sizes, { activation = 'Tanh', seed = 1 } = {}) {
  const g = graph({ seed });
  let x = g.input('x', ['N', sizes[0]]);
  sizes.slice(1).forEach((units, i) => {
    if (i > 0) x = g.op(activation, [x]);
    x = g.dense(x, units, { name: `${i}` });
  });
  g.output('y', x);
  return g.toBytes();
}
