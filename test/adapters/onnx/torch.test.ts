import { InferenceSession } from 'onnxruntime-node';
import { differentiate, gradientNameOf } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType, numbersOf, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { convertPrecision } from '../../../src/adapters/onnx/passes/precision.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { feedsOf, fixture, fixtureNames } from './fixtures.ts';

const names = (parameters: readonly { name: string }[]) => parameters.map(({ name }) => name).toSorted();

const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((max, value) => Math.max(max, Math.abs(value)), 0);

/**
 * The files hold √2, 0.01 and 0.3 as float32 constants, which torch's own float64 evaluation does not see: the exact
 * number is put in its place, in float64.
 */
function withExactConstants(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes);
  convertPrecision(model.graph, 'float64');
  for (const node of model.graph.node) {
    for (const { t } of node.attribute) {
      if (t?.dataType !== DType.DOUBLE || t.dims.length > 0) continue;
      const [value] = numbersOf(t);
      const exact = [Math.SQRT2, 0.01, 0.3].find((number) => Math.fround(number) === value);
      if (exact !== undefined) t.rawData = tensorOf('', DType.DOUBLE, [], [exact]).rawData;
    }
  }
  return encodeModel(model);
}

// torch's own float64 gradients of the same networks are the oracle.
describe.each([
  ['float32', 5e-6],
  ['float64', 1e-11],
] as const)('in %s, loss and gradients agree with torch', (precision, tolerance) => {
  test.each(fixtureNames)('%s', async (name) => {
    const reference = fixture(name);
    const loss = reference.target.integral ? 'softmaxCrossEntropy' : 'mse';
    const bytes = precision === 'float64' ? withExactConstants(reference.bytes) : reference.bytes;
    const differentiated = differentiate(bytes, { loss, precision });
    const session = await InferenceSession.create(differentiated.bytes, { logSeverityLevel: 3 });
    const results = await session.run(feedsOf(reference, differentiated));
    const lossError = Math.abs(Number(results['loss'].data[0]) - reference.loss);
    expect(lossError).toBeLessThanOrEqual(tolerance * Math.max(1, reference.loss));

    expect(names(differentiated.parameters)).toEqual(names(reference.parameters));
    const scale = Math.max(...reference.parameters.map(({ gradient }) => largest(gradient)));
    for (const { name, gradient } of reference.parameters) {
      const { data } = results[gradientNameOf(name)];
      expect(data.length).toBe(gradient.length);
      const error = largest(gradient.map((value, i) => value - Number(data[i])));
      expect(error, `gradient of ${name}`).toBeLessThanOrEqual(
        tolerance * Math.max(largest(gradient), 1e-2 * scale),
      );
    }
    await session.release();
  });
});
