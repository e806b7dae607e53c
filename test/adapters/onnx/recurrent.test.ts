import { differentiate, explain, gradientNameOf, type LossFunction } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { realInput } from './cases/arbitrary.ts';
import { checkModel, modelOf, weighted } from './harness.ts';

const [hidden, width] = [2, 8];
const x = realInput([5, 4, 3], 1);

test('the weights of a layer of an unusual kind are trained', () => {
  const bytes = modelOf(
    { x },
    (g, { x }) => {
      const constant = (shape: readonly number[], seed: number) =>
        g.constant(1, shape, realInput(shape, seed).values);
      const inputs = [x, constant([1, width, 3], 2), constant([1, width, hidden], 3)];
      const peepholes = constant([1, 3 * hidden], 4);
      const outputs = g.ops(
        'LSTM',
        [...inputs, undefined, undefined, undefined, undefined, peepholes],
        { hidden_size: hidden, clip: 3 },
        3,
      );
      return outputs[0];
    },
    { precision: 'float32' },
  );
  const report = explain(bytes);
  expect(report.differentiable).toBe(true);
  expect(report.parameters.filter(({ byDefault }) => byDefault).map(({ role }) => role.kind)).toEqual([
    'weight',
    'weight',
    'weight',
  ]);
  expect(String(report)).toMatch(/LSTM +×1 +replaced by other ops/);
});

test('the gradient of a layer, as a file, can be differentiated again', async () => {
  const weights = { w: realInput([2, width, 3], 2), r: realInput([2, width, hidden], 3) };
  const inputs = { x: realInput([3, 2, 3], 1), ...weights };
  const layer = modelOf(inputs, (g, { x, w, r }) => {
    const [Y] = g.ops('LSTM', [x, w, r], { hidden_size: hidden, direction: 'bidirectional' }, 3);
    return Y;
  });
  const gradient = differentiate(layer, { loss: weighted, wrt: ['x'] });
  const loss: LossFunction = (g, { value }) => g.sumOfAll(g.square(value(gradientNameOf('x'))));
  await expect(checkModel(inputs, gradient, loss)).resolves.toBeUndefined();
});
