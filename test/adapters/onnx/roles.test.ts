import { explain } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { direction } from './harness.ts';
import { floats, integers, modelFrom, node } from './written.ts';

test('weights that are computed from others: those of weight normalization are trained, masks are not', () => {
  const model = modelFrom({
    inputs: { x: ['N', 3] },
    outputs: { y: ['N', 2] },
    initializers: [
      floats('v', [4, 3], direction(12, 1)),
      floats('g', [4, 1], [1, 2, 0.5, 1]),
      floats('w', [4, 2], direction(8, 2)),
      floats('mask', [4, 2], [1, 0, 1, 1, 0, 1, 1, 1]),
      integers('along', [1]),
      floats('power', [2], direction(2, 3)),
      floats('lengths', [4, 1], [1, 2, 3, 4]),
      floats('variance', [2], [0.5, 2]),
    ],
    nodes: [
      node('ReduceL2', ['v', 'along'], 'norm', { keepdims: 1 }),
      node('Div', ['g', 'norm'], 'ratio'),
      node('Mul', ['v', 'ratio'], 'normed'),
      node('Gemm', ['x', 'normed'], 'h', { transB: 1 }),
      node('Mul', ['w', 'mask'], 'masked'),
      // Exporters compute the lengths of rows that a network divides by.
      node('Div', ['masked', 'lengths'], 'scaled_rows'),
      node('MatMul', ['h', 'scaled_rows'], 'z'),
      node('Exp', ['power'], 'factor'),
      node('Mul', ['z', 'factor'], 'scaled'),
      node('Sqrt', ['variance'], 'deviation'),
      node('Reciprocal', ['deviation'], 'inverse'),
      node('Mul', ['scaled', 'inverse'], 'y'),
    ],
  });
  const found = Object.fromEntries(
    explain(model).parameters.map(({ name, byDefault, why }) => [name, [byDefault, why]]),
  );
  expect(found).toEqual({
    v: [true, 'weight of Gemm "h", which is computed from it'],
    g: [true, 'weight of Gemm "h", which is computed from it'],
    w: [true, 'weight of MatMul "z", which is computed from it'],
    mask: [false, 'a mask: it holds only zeros and ones'],
    lengths: [false, 'a constant divisor'],
    power: [true, 'argument of Exp "factor"'],
    variance: [false, 'computed into a value that is no weight of a layer'],
  });
});

test('torch writes a group normalization with ones and zeros of its own, which are not trained', () => {
  const model = modelFrom({
    inputs: { x: [2, 4, 5] },
    outputs: { y: [2, 4, 5], z: [2, 4, 5] },
    initializers: [
      integers('grouped', [2, 2, 10]),
      integers('shape', [2, 4, 5]),
      floats('ones', [2], [1, 1]),
      floats('zeros', [2], [0, 0]),
      floats('gamma', [4, 1], [1, 1, 1, 1]),
      floats('beta', [4, 1], [0, 0, 0, 0]),
      floats('scale', [4], [1, 1, 1, 1]),
      floats('bias', [4], [0, 0, 0, 0]),
    ],
    nodes: [
      node('Reshape', ['x', 'grouped'], 'groups'),
      node('InstanceNormalization', ['groups', 'ones', 'zeros'], 'standard'),
      node('Reshape', ['standard', 'shape'], 'channels'),
      node('Mul', ['channels', 'gamma'], 'scaled'),
      node('Add', ['scaled', 'beta'], 'y'),
      node('InstanceNormalization', ['y', 'scale', 'bias'], 'z'),
    ],
  });
  const found = explain(model).parameters.map(({ name, byDefault, why }) => (byDefault ? name : why));
  const added = 'ones or zeros added by an exporter';
  expect(found).toEqual([added, added, 'gamma', 'beta', 'scale', 'bias']);
});

test('a class token is trained, zeros and coordinates that are joined with features are not', () => {
  const model = modelFrom({
    inputs: { x: [2, 3, 4] },
    outputs: { y: [2, 6, 6] },
    initializers: [
      floats('w', [4, 5], direction(20, 1)),
      floats('token', [1, 1, 5], direction(5, 2)),
      floats('flat', [5], direction(5, 3)),
      floats('padding', [1, 1, 5], [0, 0, 0, 0, 0]),
      floats('coordinates', [2, 6, 1], direction(12, 4)),
      integers('shape', [2, 1, 5]),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      ...['token', 'flat', 'padding'].map((name) => node('Expand', [name, 'shape'], `${name}s`)),
      node('Concat', ['tokens', 'h', 'flats', 'paddings'], 'sequence', { axis: 1 }),
      node('Concat', ['sequence', 'coordinates'], 'y', { axis: 2 }),
    ],
  });
  const found = explain(model).parameters.map(({ name, byDefault, why }) => [name, byDefault, why]);
  expect(found).toEqual([
    ['w', true, 'weight of MatMul "h"'],
    ['token', true, 'token of Concat "sequence"'],
    ['flat', true, 'token of Concat "sequence"'],
    ['padding', false, 'a constant, not used as a weight'],
    ['coordinates', false, 'a constant, not used as a weight'],
  ]);
});

/** The choice among the constants of a model, by name. */
const choiceIn = (model: Uint8Array) =>
  Object.fromEntries(
    explain(model).parameters.map(({ name, byDefault, why }) => [name, byDefault ? `trained: ${why}` : why]),
  );

test('queries that are repeated for each sample are trained, times joined with features are not', () => {
  const model = modelFrom({
    inputs: { x: ['N', 3, 4] },
    outputs: { y: ['N', 3, 5] },
    initializers: [
      floats('w', [4, 4], direction(16, 1)),
      floats('queries', [1, 3, 4], direction(12, 2)),
      floats('time', [1, 3, 1], [1, 1, 1]),
      floats('late', [1, 3, 1], [2, 2, 2]),
      floats('w2', [5, 4], direction(20, 3)),
      floats('w3', [5, 5], direction(25, 4)),
    ],
    nodes: [
      // As DETR does it: the size of the batch is that of values that layers have made.
      node('MatMul', ['x', 'w'], 'h'),
      node('Shape', ['h'], 'shape'),
      node('Expand', ['queries', 'shape'], 'repeated'),
      node('Add', ['h', 'repeated'], 'asked'),
      node('Concat', ['x', 'time'], 'timed', { axis: 2 }),
      node('MatMul', ['timed', 'w2'], 'k'),
      node('Concat', ['k', 'late'], 'later', { axis: 2 }),
      node('MatMul', ['later', 'w3'], 'v'),
      node('Concat', ['asked', 'late'], 'wide', { axis: 2 }),
      node('Add', ['wide', 'v'], 'y'),
    ],
  });
  expect(choiceIn(model)).toEqual({
    w: 'trained: weight of MatMul "h"',
    queries: 'trained: offset of Add "asked"',
    time: 'a constant, not used as a weight',
    late: 'a constant, not used as a weight',
    w2: 'trained: weight of MatMul "k"',
    w3: 'trained: weight of MatMul "v"',
  });
});

test('a table of positions that is resized to the image is trained', () => {
  const model = modelFrom({
    inputs: { x: ['N', 3, 'H', 'W'] },
    outputs: { y: undefined },
    initializers: [
      floats('w', [4, 3, 1, 1], direction(12, 1)),
      floats('positions', [1, 9, 4], direction(36, 2)),
      integers('square', [1, 3, 3, 4]),
    ],
    nodes: [
      node('Conv', ['x', 'w'], 'h'),
      node('Shape', ['h'], 'sizes'),
      node('Reshape', ['positions', 'square'], 'grid'),
      node('Transpose', ['grid'], 'first', { perm: [0, 3, 1, 2] }),
      node('Resize', ['first', '', '', 'sizes'], 'resized', { mode: 'linear' }),
      node('Add', ['h', 'resized'], 'y'),
    ],
  });
  expect(choiceIn(model)).toEqual({
    w: 'trained: weight of Conv "h"',
    positions: 'trained: offset of Add "y"',
  });
});

test('the rates of a state space are trained, before Exp and after it, and factors of rotations are not', () => {
  const rates = Array.from({ length: 8 }, (_, i) => -1 - i);
  const model = modelFrom({
    inputs: { x: ['N', 4, 1] },
    outputs: { y: ['N', 4, 2], z: ['N', 4, 2], rotated: ['N', 4, 2] },
    initializers: [
      floats('w', [1, 1], [0.7]),
      floats('A_log', [4, 2], direction(8, 2)),
      floats('A', [1, 4, 2], rates),
      floats('cosines', [1, 4, 2], rates.map(Math.cos)),
      floats('dt_bias', [4, 1], direction(4, 3)),
      floats('D', [4, 1], direction(4, 4)),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('Add', ['h', 'dt_bias'], 'biased'),
      node('Softplus', ['biased'], 'dt'),
      node('Exp', ['A_log'], 'positive'),
      node('Neg', ['positive'], 'negative'),
      node('Mul', ['dt', 'negative'], 'change'),
      node('Exp', ['change'], 'y'),
      node('Mul', ['dt', 'A'], 'folded'),
      node('Exp', ['folded'], 'decay'),
      node('Mul', ['decay', 'D'], 'z'),
      node('Mul', ['dt', 'cosines'], 'rotated'),
    ],
  });
  expect(choiceIn(model)).toEqual({
    w: 'trained: weight of MatMul "h"',
    A_log: 'trained: argument of Exp "positive"',
    A: 'trained: rates of Mul "folded"',
    cosines: 'a constant factor of several axes, as of a position encoding',
    dt_bias: 'trained: bias of Add "biased"',
    D: 'trained: scale of Mul "z"',
  });
});

test('the layers of a network that reads a constant table are trained, biases of which a part is set to zero too', () => {
  const model = modelFrom({
    inputs: { x: ['N', 3] },
    outputs: { y: ['N', 3] },
    initializers: [
      floats('w', [3, 3], direction(9, 1)),
      floats('b', [3], direction(3, 2)),
      floats('none', [1], [0]),
      integers('second', [1], [1, 1]),
      floats('table', [3, 2], direction(6, 3)),
      floats('w1', [4, 2], direction(8, 4)),
      floats('b1', [4], direction(4, 5)),
      floats('w2', [4, 3], direction(12, 6)),
      floats('folded', [3, 4], direction(12, 7)),
      floats('b3', [4], direction(4, 8)),
      floats('scale', [1], [2.3]),
      floats('hundred', [], [4.6]),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('ScatterND', ['b', 'second', 'none'], 'cleared'),
      node('Add', ['h', 'cleared'], 'biased'),
      // The position biases of a Swin Transformer V2.
      node('Gemm', ['table', 'w1', 'b1'], 'g', { transB: 1 }),
      node('Relu', ['g'], 'r'),
      node('MatMul', ['r', 'w2'], 'positions'),
      // torch.onnx.export(dynamo=True) computes the first product and leaves its result.
      node('Add', ['folded', 'b3'], 'first'),
      node('Relu', ['first'], 'second_layer'),
      node('MatMul', ['second_layer', 'w2'], 'more'),
      node('Clip', ['scale', '', 'hundred'], 'clipped'),
      node('Exp', ['clipped'], 'factor'),
      node('Mul', ['biased', 'factor'], 'scaled'),
      node('Add', ['positions', 'more'], 'all'),
      node('MatMul', ['scaled', 'all'], 'y'),
    ],
  });
  expect(choiceIn(model)).toMatchObject({
    b: 'trained: bias of Add "biased"',
    w1: expect.stringMatching(/^trained/),
    b1: 'trained: bias of Gemm "g"',
    w2: expect.stringMatching(/^trained/),
    b3: 'trained: bias of Add "first"',
    scale: 'trained: argument of Exp "factor"',
    hundred: 'a bound',
  });
});

test('tables of sines and cosines are not trained, others are', () => {
  const angle = (i: number) => Math.floor(i / 6) / 100 ** (((i % 6) >> 1) / 3);
  const interleaved = Array.from({ length: 30 }, (_, i) => (i % 2 ? Math.cos(angle(i)) : Math.sin(angle(i))));
  const halves = (i: number) => Math.floor(i / 6) / 100 ** ((i % 3) / 3);
  const apart = Array.from({ length: 30 }, (_, i) => (i % 6 < 3 ? Math.sin(halves(i)) : Math.cos(halves(i))));
  const model = modelFrom({
    inputs: { x: ['N', 5, 6], at: { dtype: DType.INT64, shape: ['N', 5] } },
    outputs: { y: ['N', 5, 6] },
    initializers: [
      floats('w', [6, 6], direction(36, 1)),
      floats('positions', [1, 5, 6], interleaved),
      floats('lengths', [5, 6], apart),
      floats('learned', [1, 5, 6], direction(30, 2)),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('Add', ['h', 'positions'], 'placed'),
      node('Gather', ['lengths', 'at'], 'looked'),
      node('Add', ['placed', 'looked'], 'both'),
      node('Add', ['both', 'learned'], 'y'),
    ],
  });
  expect(choiceIn(model)).toEqual({
    w: 'trained: weight of MatMul "h"',
    positions: 'a table of sines and cosines',
    lengths: 'a table of sines and cosines',
    learned: 'trained: offset of Add "y"',
  });
});

test('the bias of a weight that is computed and repeated is trained', () => {
  const model = modelFrom({
    inputs: { x: [4, 2, 3] },
    outputs: { y: [4, 2, 5] },
    initializers: [
      floats('table', [5, 2], direction(10, 1)),
      floats('w', [2, 3], direction(6, 2)),
      floats('b', [3], direction(3, 3)),
      integers('times', [4, 1, 1]),
      integers('front', [0]),
    ],
    nodes: [
      node('MatMul', ['table', 'w'], 'keys'),
      node('Add', ['keys', 'b'], 'biased'),
      node('Unsqueeze', ['biased', 'front'], 'one'),
      node('Tile', ['one', 'times'], 'all'),
      node('Transpose', ['all'], 'turned', { perm: [0, 2, 1] }),
      node('MatMul', ['x', 'turned'], 'y'),
    ],
  });
  expect(explain(model).parameters.map(({ byDefault }) => byDefault)).toEqual([true, true, true]);
});

test('constants of an op that no training changes are not trained, whatever the op is computed by', () => {
  const model = modelFrom({
    inputs: {
      x: ['N', 2, 4, 6],
      target: { dtype: DType.INT64, shape: ['N'] },
      rows: { dtype: DType.INT64, shape: [3] },
    },
    outputs: { rotated: ['N', 2, 4, 6], spectrum: undefined, loss: [], bag: [3, 2] },
    initializers: [
      floats('w', [6, 6], direction(36, 1)),
      floats('cos', [4, 3], direction(12, 2)),
      floats('sin', [4, 3], direction(12, 3)),
      floats('window', [4], [0.1, 0.9, 0.9, 0.1]),
      floats('of_classes', [6], [1, 2, 3, 4, 5, 6]),
      floats('table', [5, 2], direction(10, 4)),
      floats('of_rows', [3, 1], [1, 1, 1]),
      integers('places', [0, 1, 2, 3], [1, 4]),
      integers('step', [2], []),
      integers('flat', [-1, 48]),
      integers('classes', [-1, 6, 8]),
      integers('last', [2]),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('RotaryEmbedding', ['h', 'cos', 'sin', 'places'], 'rotated'),
      node('Reshape', ['h', 'flat'], 'signal'),
      node('STFT', ['signal', 'step', 'window'], 'spectrum'),
      node('Reshape', ['h', 'classes'], 'classed'),
      node('ReduceSum', ['classed', 'last'], 'scores', { keepdims: 0 }),
      node('SoftmaxCrossEntropyLoss', ['scores', 'target', 'of_classes'], 'loss'),
      node('Gather', ['table', 'rows'], 'picked'),
      node('Mul', ['picked', 'of_rows'], 'bag'),
    ],
    opset: 23,
  });
  expect(choiceIn(model)).toEqual({
    w: 'trained: weight of MatMul "h"',
    cos: 'cosines of a rotary embedding',
    sin: 'sines of a rotary embedding',
    window: 'window of a Fourier transform',
    of_classes: 'weights of the classes in a loss',
    table: 'trained: table of Gather "picked"',
    of_rows: 'a factor for each row',
  });
});

test('tables looked up by lists of indices, triangles of weights and learned states are trained', () => {
  const model = modelFrom({
    inputs: { x: ['T', 'N', 3] },
    outputs: { y: ['N', 2] },
    initializers: [
      floats('W', [1, 6, 3], direction(18, 1)),
      floats('R', [1, 6, 2], direction(12, 2)),
      floats('learned', [1, 1, 2], [0.3, -0.2]),
      floats('zeros', [1, 1, 2], [0, 0]),
      integers('batch', [1, 4, 2]),
      floats('experts', [3, 2, 2], direction(12, 3)),
      integers('first', [0]),
      floats('triangle', [2, 2], direction(4, 4)),
      floats('ones', [2, 2], [1, 1, 1, 1]),
    ],
    nodes: [
      node('Expand', ['learned', 'batch'], 'before'),
      node('GRU', ['x', 'W', 'R', '', '', 'before'], ['first_steps', 'one'], { hidden_size: 2 }),
      node('Expand', ['zeros', 'batch'], 'none'),
      node('GRU', ['x', 'W', 'R', '', '', 'none'], ['second_steps', 'two'], { hidden_size: 2 }),
      node('Add', ['one', 'two'], 'both'),
      node('GatherND', ['experts', 'first'], 'expert'),
      node('MatMul', ['both', 'expert'], 'mixed'),
      node('Trilu', ['triangle'], 'upper'),
      node('MatMul', ['mixed', 'upper'], 'z'),
      node('Trilu', ['ones'], 'mask'),
      node('MatMul', ['z', 'mask'], 'sums'),
      node('Squeeze', ['sums', 'first'], 'y'),
    ],
  });
  const found = Object.fromEntries(
    explain(model).parameters.map(({ name, byDefault, why }) => [name, [byDefault, why]]),
  );
  expect(found).toMatchObject({
    learned: [true, 'initial state of GRU "first_steps"'],
    zeros: [false, 'a state of zeros'],
    experts: [true, 'table of GatherND "expert"'],
    triangle: [true, 'weight of MatMul "z", which is computed from it'],
    ones: [false, 'a mask: it holds only zeros and ones'],
  });
});
