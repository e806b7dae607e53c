import { InferenceSession } from 'onnxruntime-node';
import { differentiate, explain, gradientNameOf } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { realInput } from './cases/arbitrary.ts';
import { feedsOf, modelOf, quiet, weighted, type Build } from './harness.ts';

const [hidden, width] = [2, 8];
const weights = {
  w: realInput([2, width, 3], 2),
  r: realInput([2, width, hidden], 3),
  h: realInput([2, 4, hidden], 4),
};
const x = realInput([5, 4, 3], 1);

const layer =
  (layout: number, turned: boolean): Build =>
  (g, { x, w, r, h }) => {
    const turn = (v: string) => (turned ? g.transpose(v, [1, 0, 2]) : v);
    const attributes = { hidden_size: hidden, direction: 'bidirectional', layout };
    const [Y, last] = g.ops('LSTM', [turn(x), w, r, undefined, undefined, turn(h)], attributes, 3);
    const [all, end] = turned ? [g.transpose(Y, [1, 2, 0, 3]), g.transpose(last, [1, 0, 2])] : [Y, last];
    return g.concat([g.flat(all), g.flat(end)], 0);
  };

// ONNX Runtime has no kernel for it.
test('a layer with the batch first is the other one, turned', async () => {
  const inputs = { x, ...weights };
  const wrt = Object.keys(inputs);
  const run = async (build: Build) => {
    const bytes = differentiate(modelOf(inputs, build), { loss: weighted, wrt });
    const session = await InferenceSession.create(bytes, quiet);
    const results = await session.run(feedsOf(inputs, 'float64'));
    await session.release();
    return wrt.flatMap((name) => Array.from(results[gradientNameOf(name)].data, Number));
  };
  const turned = await run(layer(1, true));
  const plain = await run(layer(0, false));
  expect(turned.length).toBe(plain.length);
  expect(Math.max(...turned.map((v, i) => Math.abs(v - plain[i])))).toBeLessThan(1e-12);
});

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
  expect(String(report)).toMatch(/LSTM +×1 +rewritten in other ops/);
});
