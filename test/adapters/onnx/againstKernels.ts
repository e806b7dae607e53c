import { InferenceSession } from 'onnxruntime-node';
import { differentiate } from 'quasi-newton/onnx';
import { expect } from 'vitest';
import { checkGradients, direction, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

/** Float input with entries of both signs. */
export const real = (seed: number, ...shape: number[]): Input => ({
  shape,
  values: direction(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});
/** Integer input. */
export const whole = (shape: readonly number[], values: readonly number[]): Input => ({
  shape,
  values,
  integral: true,
});

/**
 * Holds what is differentiated against ONNX Runtime's own kernels, and the gradient against central differences.
 *
 * @param dynamic - leave the sizes of all inputs to be known at run time
 */
export async function check(
  inputs: Readonly<Record<string, Input>>,
  build: Build,
  opset = 23,
  dynamic = false,
): Promise<void> {
  const bytes = modelOf(inputs, build, { precision: 'float32', opset, dynamic });
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  const graph = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt, keep: ['y'] });
  const feeds = feedsOf(inputs, 'float32');
  const outputs = [bytes, graph].map(async (each) => {
    const session = await InferenceSession.create(each, quiet);
    const { y } = await session.run(feeds);
    await session.release();
    return { dims: y.dims, values: Array.from(y.data as Float32Array) };
  });
  const [wanted, got] = await Promise.all(outputs);
  expect(got.dims).toEqual(wanted.dims);
  wanted.values.forEach((value, i) => expect(got.values[i]).toBeCloseTo(value, 4));
  await checkGradients(inputs, build, { opset, dynamic });
}
