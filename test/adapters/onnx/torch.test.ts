import { InferenceSession } from 'onnxruntime-node';
import { differentiateModel, gradientNameOf } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { feedsOf, fixture, fixtureNames } from './fixtures.ts';

// torch's own float64 gradients of the same networks are the oracle.
describe('gradients agree with torch', () => {
  test.each(fixtureNames)('%s', async (name) => {
    const reference = fixture(name);
    const loss = reference.target.integral ? 'softmaxCrossEntropy' : 'mse';
    const differentiated = differentiateModel(reference.bytes, { loss });
    const session = await InferenceSession.create(differentiated.bytes, { logSeverityLevel: 3 });
    const results = await session.run(feedsOf(reference, differentiated));
    expect(Math.abs(Number(results['loss'].data[0]) - reference.loss)).toBeLessThan(
      2e-6 * Math.max(1, reference.loss),
    );

    const largest = Math.max(
      ...reference.parameters.flatMap(({ gradient }) => Array.from(gradient, Math.abs)),
    );
    expect(differentiated.parameters.map(({ name }) => name).toSorted()).toEqual(
      reference.parameters.map(({ name }) => name).toSorted(),
    );
    for (const { name, gradient } of reference.parameters) {
      const { data } = results[gradientNameOf(name)];
      expect(data.length).toBe(gradient.length);
      const own = gradient.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      const error = gradient.reduce((max, value, i) => Math.max(max, Math.abs(value - Number(data[i]))), 0);
      expect(error, `gradient of ${name}`).toBeLessThanOrEqual(5e-6 * Math.max(own, 1e-2 * largest));
    }
    await session.release();
  });
});
