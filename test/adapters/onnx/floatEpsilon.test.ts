import * as ort from 'onnxruntime-node';
import { trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { floats, integers, modelFrom, node } from './written.ts';

test('in float64, a loss without its gradient has the epsilon of an RMS normalization in simple ops', async () => {
  const bytes = modelFrom({
    inputs: { x: [1, 2] },
    outputs: { y: [1, 2] },
    initializers: [
      floats('two', [], [2]),
      floats('epsilon', [], [0.5]),
      floats('scale', [2], [3, 4]),
      integers('last', [-1]),
    ],
    nodes: [
      node('Pow', ['x', 'two'], 'squares'),
      node('ReduceMean', ['squares', 'last'], 'mean', { keepdims: 1 }),
      node('Add', ['mean', 'epsilon'], 'sum'),
      node('Sqrt', ['sum'], 'root'),
      node('Div', ['x', 'root'], 'normal'),
      node('Mul', ['normal', 'scale'], 'y'),
    ],
  });
  const model = await trainable(ort, bytes, { loss: 'mse', precision: 'float64', trainable: ['scale'] });
  const problem = model.problem({
    x: { data: [1, 2], dims: [1, 2] },
    target: { data: [0, 0], dims: [1, 2] },
  });
  const [alone, together] = [
    await problem.fg(problem.p0, null),
    await problem.fg(problem.p0, new Float64Array(2)),
  ];
  await model.dispose();
  // Mean square 2.5, plus 0.5: (9·1/3 + 16·4/3) / 2.
  expect(alone).toBeCloseTo(73 / 6, 12);
  expect(together).toBeCloseTo(73 / 6, 12);
});
