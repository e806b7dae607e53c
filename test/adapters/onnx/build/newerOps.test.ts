import * as ort from 'onnxruntime-node';
import { differentiate, graph, gradientNameOf } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';

const at = [-1.3, -0.4, 0.6, 2.1];
const x = new ort.Tensor('float32', Float32Array.from(at), [4]);
/** The error function, by its power series. */
function erf(v: number): number {
  let [term, sum] = [v, v];
  for (let n = 1; n < 60; n++) {
    term *= (-v * v) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

/** Runs a network of one op, and its gradient of the sum of its outputs. */
async function resultsOf(op: string, attributes: Readonly<Record<string, number | string>>) {
  const g = graph();
  g.output('y', g.op(op, [g.input('x', [4])], attributes));
  const graphs = [
    g.toBytes(),
    differentiate(g.toBytes(), { loss: (b, { outputs: [y] }) => b.sumOfAll(y), wrt: ['x'] }),
  ];
  const [plain, gradient] = await Promise.all(
    graphs.map(async (bytes) => {
      const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
      const results = await session.run({ x });
      await session.release();
      return results;
    }),
  );
  const list = (tensor: ort.Tensor) => Array.from(tensor.data as Float32Array);
  return { y: list(plain['y']), dx: list(gradient[gradientNameOf('x')]) };
}

describe('ops of later opsets in a graph of opset 18', () => {
  test.each([
    ['Swish', {}, (v: number) => v * sigmoid(v)],
    ['Swish', { alpha: 1.5 }, (v: number) => v * sigmoid(1.5 * v)],
    ['Gelu', {}, (v: number) => 0.5 * v * (1 + erf(v / Math.SQRT2))],
    [
      'Gelu',
      { approximate: 'tanh' },
      (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
  ] as const)('%s with %j is written with simpler ops', async (op, attributes, f) => {
    const { y, dx } = await resultsOf(op, attributes);
    y.forEach((value, i) => expect(value).toBeCloseTo(f(at[i]), 5));
    dx.forEach((value, i) => expect(value).toBeCloseTo((f(at[i] + 1e-5) - f(at[i] - 1e-5)) / 2e-5, 4));
  });

  test('ops of later opsets than the graph are written with simpler ops in a loss, too', async () => {
    const g = graph();
    g.output('y', g.mul(g.input('x', [4]), 1));
    const bytes = differentiate(g.toBytes(), {
      loss: (b, { outputs: [y] }) => b.sumOfAll(b.op('Swish', [y])),
      wrt: ['x'],
    });
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const { loss } = await session.run({ x });
    await session.release();
    expect(Number(loss.data[0])).toBeCloseTo(
      at.reduce((sum, v) => sum + v * sigmoid(v), 0),
      5,
    );
  });

  test('one without a decomposition is refused in words', () => {
    const g = graph();
    const [rows, scale] = [g.input('x', ['N', 4]), g.weight('scale', [4], 1)];
    expect(() => g.op('RMSNormalization', [rows, scale])).toThrow(
      'RMSNormalization: it is an op of opset 23, and the graph is of opset 18; write it with simpler ops.',
    );
  });
});
