import { expect, it } from 'vitest';
import { differentiate, graph } from 'quasi-newton/onnx';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';

/** Names of the ops in the gradient graph of a network, and what its outputs are made by. */
function gradientGraph(layers: number) {
  const g = graph({ seed: 1 });
  let x = g.input('x', ['N', 4]);
  for (let k = 0; k < layers; k++) x = g.tanh(g.dense(x, 4, { name: `layer${k}` }));
  g.output('y', x);
  const { node, output } = decodeModel(differentiate(g.toBytes(), { loss: 'mse' })).graph;
  const makerOf = (name: string) => node.find((each) => each.output.includes(name))?.opType;
  return {
    count: (op: string) => node.filter(({ opType }) => opType === op).length,
    makers: output.map(({ name }) => makerOf(name)),
  };
}

it('a gradient graph computes the number of samples once, however many layers there are', () => {
  const [few, many] = [gradientGraph(2), gradientGraph(6)];
  for (const op of ['Shape', 'Gather', 'Concat', 'ConstantOfShape']) {
    expect([op, many.count(op)]).toEqual([op, few.count(op)]);
  }
});

it('outputs of a gradient graph have no Identity of their own', () => {
  const { makers } = gradientGraph(3);
  expect(makers).toHaveLength(7);
  expect(makers).not.toContain('Identity');
  expect(makers).not.toContain(undefined);
});

it('values share a shape only if all of their symbols are the same, whatever these contain', () => {
  const g = graph({ seed: 1 });
  const [a, b] = [g.input('a', ['x,y', 'z']), g.input('b', ['x', 'y,z'])];
  expect(g.shape(a)).not.toBe(g.shape(b));
  expect(g.shape(g.tanh(a))).toBe(g.shape(a));
  expect(g.sizes(a, [1])).not.toBe(g.sizes(b, [1]));
});
