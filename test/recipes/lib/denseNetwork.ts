import { uniformStream } from '../../../src/recipes/landscape/random.ts';
import { symmetricEigen } from '../../../src/core/symmetricEigen.ts';
import type { Problem } from '../../../src/core/problem.ts';

/** A small dense network with mean squared error, and the exact Hessian of its loss. */
export interface DenseNetwork {
  readonly problem: Problem;
  /** Eigenvalues of the Hessian at p0 (almost everywhere, for ReLU), in float64, ascending. */
  eigenvalues(): Float64Array;
}

/** What a network is made of. */
export interface NetworkSpec {
  /** Inputs, hidden units, outputs. */
  readonly sizes: readonly number[];
  readonly activation: 'tanh' | 'relu';
  readonly samples: number;
  readonly seed: number;
  /** Rounds every operation to float32. */
  readonly float32: boolean;
}

/** A network with random weights and data. */
export function denseNetwork({ sizes, activation, samples, seed, float32 }: NetworkSpec): DenseNetwork {
  const uniform = uniformStream(seed);
  const round = float32 ? Math.fround : (value: number) => value;
  const layers = sizes.slice(1).map((outputs, l) => ({ inputs: sizes[l], outputs }));
  const p0 = Float64Array.from(
    layers.flatMap(({ inputs, outputs }) =>
      Array.from({ length: (inputs + 1) * outputs }, () =>
        round((2 * uniform() - 1) * Math.sqrt(3 / inputs)),
      ),
    ),
  );
  const data = Array.from({ length: samples }, () => {
    const x = Float64Array.from({ length: sizes[0] }, () => round(3 * (2 * uniform() - 1)));
    const y = Float64Array.from({ length: sizes[sizes.length - 1] }, (_, k) => round(Math.sin(2 * x[0] + k)));
    return { x, y };
  });
  const f = activation === 'tanh' ? Math.tanh : (z: number) => Math.max(0, z);
  const slope = activation === 'tanh' ? (a: number) => 1 - a * a : (a: number) => (a > 0 ? 1 : 0);

  /** Gradient, and unless `v` is null its derivative along v; weights `[inputs, outputs]`, then biases. */
  function sweep(
    p: Float64Array,
    v: Float64Array | null,
    gradient: Float64Array | null,
    product: Float64Array | null,
    r: (value: number) => number,
  ): number {
    gradient?.fill(0);
    product?.fill(0);
    let loss = 0;
    for (const { x, y } of data) {
      const values = [x];
      const tangents = [new Float64Array(x.length)];
      let offset = 0;
      for (const [l, { inputs, outputs }] of layers.entries()) {
        const a = new Float64Array(outputs);
        const ta = new Float64Array(outputs);
        const last = l === layers.length - 1;
        for (let j = 0; j < outputs; j++) {
          let z = p[offset + inputs * outputs + j];
          let tz = v === null ? 0 : v[offset + inputs * outputs + j];
          for (let i = 0; i < inputs; i++) {
            const at = offset + i * outputs + j;
            z = r(z + r(p[at] * values[l][i]));
            if (v !== null) tz += v[at] * values[l][i] + p[at] * tangents[l][i];
          }
          a[j] = last ? z : r(f(z));
          ta[j] = last ? tz : slope(a[j]) * tz;
        }
        values.push(a);
        tangents.push(ta);
        offset += (inputs + 1) * outputs;
      }
      const output = values[layers.length];
      const scale = 1 / (samples * output.length);
      let delta = output.map((value, k) => r(2 * scale * r(value - y[k])));
      let tDelta = tangents[layers.length].map((value) => 2 * scale * value);
      output.forEach((value, k) => (loss = r(loss + r(scale * r(value - y[k]) ** 2))));
      if (gradient === null && product === null) continue;
      for (let l = layers.length - 1; l >= 0; l--) {
        const { inputs, outputs } = layers[l];
        offset -= (inputs + 1) * outputs;
        const back = new Float64Array(inputs);
        const tBack = new Float64Array(inputs);
        for (let j = 0; j < outputs; j++) {
          const bias = offset + inputs * outputs + j;
          if (gradient !== null) gradient[bias] = r(gradient[bias] + delta[j]);
          if (product !== null) product[bias] += tDelta[j];
          for (let i = 0; i < inputs; i++) {
            const at = offset + i * outputs + j;
            if (gradient !== null) gradient[at] = r(gradient[at] + r(values[l][i] * delta[j]));
            if (product !== null) product[at] += tangents[l][i] * delta[j] + values[l][i] * tDelta[j];
            back[i] = r(back[i] + r(p[at] * delta[j]));
            if (v !== null) tBack[i] += v[at] * delta[j] + p[at] * tDelta[j];
          }
        }
        if (l === 0) break;
        const a = values[l];
        const bend = activation === 'tanh' ? a.map((value, i) => -2 * value * tangents[l][i]) : null;
        // tangents hold slope · tz; the second derivative needs −2 a · (slope · tz).
        delta = back.map((value, i) => r(slope(a[i]) * value));
        tDelta = tBack.map((value, i) => slope(a[i]) * value + (bend === null ? 0 : bend[i] * back[i]));
      }
    }
    return loss;
  }

  return {
    problem: {
      p0,
      precision: float32 ? 'float32' : 'float64',
      fg: (x, gradient) => sweep(float32 ? x.map(Math.fround) : x, null, gradient, null, round),
    },
    eigenvalues() {
      const n = p0.length;
      const hessian = new Float64Array(n * n);
      const v = new Float64Array(n);
      for (let k = 0; k < n; k++) {
        v.fill(0);
        v[k] = 1;
        sweep(p0, v, null, hessian.subarray(k * n, (k + 1) * n), (value) => value);
      }
      return symmetricEigen(hessian, n).values;
    },
  };
}
