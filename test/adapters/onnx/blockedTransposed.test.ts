import * as ort from 'onnxruntime-node';
import { trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { floats, model, node } from './rawModel.js';

const channels = 16;
const image = [5, 6];

/** Transposed convolutions of 16 channels, by the forms that they have in blocks. */
const forms: readonly (readonly [form: string, group: number, stride: number, kernel: number])[] = [
  ['one channel per group, with zeros put between', channels, 2, 3],
  ['one group, dense', 1, 1, 3],
  ['one group, in phases', 1, 2, 4],
];

/**
 * The sum over the places of x, of which each adds a window: `y[o, s·i + k − b] += x[c, i]·w[c, o, k]`. ONNX pads the start of
 * an axis by the larger half b of what is too long.
 */
function transposed(
  x: Float32Array,
  w: Float32Array,
  group: number,
  stride: number,
  kernel: number,
  outs: readonly number[],
): number[] {
  const [height, width] = image;
  const begins = image.map((size, i) => Math.ceil((stride * (size - 1) + kernel - outs[i]) / 2));
  const y = Array<number>(channels * outs[0] * outs[1]).fill(0);
  const each = channels / group;
  x.forEach((value, at) => {
    const [column, row] = [at % width, Math.floor(at / width) % height];
    const channel = Math.floor(at / (width * height));
    for (let j = 0; j < each * kernel * kernel; j++) {
      const out = Math.floor(channel / each) * each + Math.floor(j / kernel ** 2);
      const top = stride * row + (Math.floor(j / kernel) % kernel) - begins[0];
      const left = stride * column + (j % kernel) - begins[1];
      const isInside = top >= 0 && left >= 0 && top < outs[0] && left < outs[1];
      if (isInside) y[(out * outs[0] + top) * outs[1] + left] += value * w[channel * each * kernel ** 2 + j];
    }
  });
  return y;
}

test.each(forms)(
  'predictions with output_shape are those of the definition: %s',
  async (_, group, stride, kernel) => {
    const outs = image.map((size) => size * stride);
    const weight = floats('w', [channels, channels / group, kernel, kernel], (i) => Math.sin(i * i + 1));
    const bytes = model({
      input: { x: [1, channels, ...image] },
      output: { y: [1, channels, ...outs] },
      initializer: [weight],
      nodes: [
        node('ConvTranspose', ['x', 'w'], 'y', {
          group,
          strides: [stride, stride],
          output_shape: outs,
          kernel_shape: [kernel, kernel],
        }),
      ],
    });
    const data = Float32Array.from({ length: channels * 30 }, (_, i) => Math.cos(1.7 * i));
    const loaded = await trainable(ort, bytes, { loss: (g, { outputs: [y] }) => g.meanOfAll(g.square(y)) });
    const { y } = await loaded.predict({ x: { data, dims: [1, channels, ...image] } });
    const exact = transposed(data, new Float32Array(weight.rawData.buffer), group, stride, kernel, outs);
    const problem = loaded.problem({ x: { data, dims: [1, channels, ...image] } });
    const f = await problem.fg(problem.p0, null);
    await loaded.dispose();
    const scale = Math.max(...exact.map(Math.abs));
    const error = Math.max(...exact.map((value, i) => Math.abs(value - Number(y.data[i]))));
    expect(error).toBeLessThan(1e-5 * scale);
    expect(f / (exact.reduce((sum, value) => sum + value * value, 0) / exact.length)).toBeCloseTo(1, 5);
  },
);
