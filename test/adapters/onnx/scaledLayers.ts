import { floats, model as graph, node } from './rawModel.js';

/** A network with MatMul and Add instead of Gemm, a slope, and two outputs for each sample. */
export const scaledLayers = graph({
  input: { x: ['N', 3] },
  output: { y: ['N', 2] },
  initializer: [
    floats('w', [3, 5], (i) => Math.sin(i)),
    floats('b', [1, 5], (i) => 0.1 * i),
    floats('s', [5], (i) => 1 + 0.1 * i),
    floats('v', [5, 2], (i) => Math.cos(i)),
    floats('c', [2], (i) => i),
  ],
  nodes: [
    node('MatMul', ['x', 'w'], 'xw'),
    node('Add', ['xw', 'b'], 'a'),
    node('Mul', ['a', 's'], 'as'),
    node('Tanh', ['as'], 'h'),
    node('MatMul', ['h', 'v'], 'hv'),
    node('Add', ['hv', 'c'], 'y'),
  ],
});
