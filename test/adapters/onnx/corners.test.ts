import { differentiate } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { check, oneOp, squares, type Form } from './forms.ts';
import { floats, integers, modelFrom, node } from './written.ts';

/** One op of x, with constants as its other inputs. */
const form = (
  op: string,
  shape: readonly number[],
  rest: Readonly<Record<string, readonly number[]>> = {},
  attributes: AttributeValues = {},
  more: Partial<Form> & { readonly what?: string } = {},
): Form =>
  Object.assign(
    {
      name: `${op} ${more.what ?? ''}[${shape.join()}] ${JSON.stringify(Object.assign({}, rest, attributes))} opset ${more.opset ?? 18}`,
      inputs: { x: shape },
      constants: Object.entries(rest).map(([name, values]) => integers(name, values)),
      nodes: [node(op, ['x', ...Object.keys(rest)], 'y', attributes)],
    },
    more,
  );

const reductions =
  'ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp'.split(
    ' ',
  );
const reduced: readonly Form[] = reductions.flatMap((op) => [
  form(op, [2, 3, 4], { axes: [-1, 0] }, { keepdims: 0 }),
  form(op, [2, 3], { axes: [] }, { noop_with_empty_axes: 1 }),
  form(op, [2, 3], { axes: [] }, { noop_with_empty_axes: 0, keepdims: 0 }),
  form(op, [2, 3], {}, { noop_with_empty_axes: 1, keepdims: 1 }),
  form(op, [2, 3], { axes: [1] }, { keepdims: 1 }, { open: true }),
  form(op, [], {}, { keepdims: 0 }),
  oneOp(
    op,
    [2, 3, 2],
    { axes: [-2], keepdims: 0 },
    { opset: op === 'ReduceSum' ? 11 : 13, name: `${op} by an attribute` },
  ),
  oneOp(op, [2, 3, 2], {}, { opset: 7, name: `${op} of all, opset 7` }),
]);

const softmaxes = ['Softmax', 'LogSoftmax'].flatMap((op) =>
  [11, 13].flatMap((opset) => [0, 1, 2, -1].map((axis) => form(op, [2, 3, 2], {}, { axis }, { opset }))),
);

const scatterings = ['ScatterElements', 'ScatterND'].flatMap((op) =>
  ['none', 'add', 'mul', 'max', 'min'].map((reduction): Form => {
    const elements = op === 'ScatterElements';
    // Without a reduction, the order of duplicates is not defined.
    const rows = reduction === 'none' ? [0, -1, 1, 1, 0, 2] : [0, -3, 1, 0, 2, -2];
    return {
      name: `${op} ${reduction}, with negative indices${reduction === 'none' ? '' : ' and duplicates'}`,
      inputs: { x: [3, 3], u: elements ? [2, 3] : [3, 3] },
      constants: [
        elements
          ? integers('i', rows, [2, 3])
          : integers('i', reduction === 'none' ? [0, -1, 1] : [2, -1, 0], [3, 1]),
      ],
      nodes: [node(op, ['x', 'i', 'u'], 'y', Object.assign({ reduction }, elements ? { axis: -2 } : {}))],
    };
  }),
);

const movements: readonly Form[] = [
  form('Squeeze', [1, 3, 1]),
  form('Squeeze', [1, 3, 1], { axes: [-1] }),
  oneOp('Squeeze', [1, 3, 1], { axes: [0] }, { opset: 11, name: 'Squeeze of opset 11' }),
  form('Unsqueeze', [2, 3], { axes: [-1, 0] }),
  oneOp('Unsqueeze', [2, 3], { axes: [0, 2] }, { opset: 11, name: 'Unsqueeze of opset 11' }),
  form('Slice', [5, 4], { s: [-1, 100], e: [-100, 0], a: [0, -1], t: [-2, -1] }),
  form('Slice', [5], { s: [1], e: [-1] }),
  form('Slice', [5, 4], { s: [3], e: [1], a: [0] }, {}, { what: 'of nothing ' }),
  oneOp(
    'Slice',
    [5, 4],
    { starts: [-3, 0], ends: [1000, 2], axes: [0, 1] },
    { opset: 9, name: 'Slice of opset 9' },
  ),
  form('Pad', [3, 4], { p: [1, -1, 2, 2] }),
  ...['reflect', 'edge', 'wrap'].map((mode) =>
    form('Pad', [3, 4], { p: [1, 2, 2, 1] }, { mode }, { opset: 19 }),
  ),
  {
    name: 'Pad of listed axes, with a value that is fed',
    inputs: { x: [2, 3], v: [1] },
    constants: [integers('p', [1, 2]), integers('a', [-1]), integers('none', [0])],
    nodes: [node('Squeeze', ['v', 'none'], 'value'), node('Pad', ['x', 'p', 'value', 'a'], 'y')],
  },
  oneOp(
    'Pad',
    [2, 3],
    { pads: [0, 1, 1, 0], mode: 'constant', value: 0.5 },
    { opset: 9, name: 'Pad of opset 9' },
  ),
  form('Tile', [2, 3], { r: [2, 1] }),
  form('Tile', [2, 3], { r: [0, 2] }),
  form('Expand', [3, 1], { s: [2, 1, 4] }),
  form('Expand', [2, 3], { s: [1] }),
  form('Gather', [3, 4], { i: [-1, 0, -1] }, { axis: -1 }),
  {
    name: 'Gather of one',
    inputs: { x: [3, 4] },
    constants: [integers('i', [-2], [])],
    nodes: [node('Gather', ['x', 'i'], 'y')],
  },
  {
    name: 'GatherElements',
    inputs: { x: [3, 4] },
    constants: [integers('i', [-1, 0, 2, 0, 0, -3], [2, 3])],
    nodes: [node('GatherElements', ['x', 'i'], 'y')],
  },
  {
    name: 'GatherND of batches',
    inputs: { x: [2, 3, 2] },
    constants: [integers('i', [-1, 0, 0, 1, 1, -1, 0, 0], [2, 2, 2])],
    nodes: [node('GatherND', ['x', 'i'], 'y')],
    values: {},
  },
  {
    name: 'GatherND, batch_dims 1',
    inputs: { x: [2, 3, 2] },
    constants: [integers('i', [-1, 0, 0, 1], [2, 2, 1])],
    nodes: [node('GatherND', ['x', 'i'], 'y', { batch_dims: 1 })],
  },
  {
    name: 'Scatter of opset 9',
    inputs: { x: [3, 3], u: [1, 2] },
    constants: [integers('i', [1, 2], [1, 2])],
    nodes: [node('Scatter', ['x', 'i', 'u'], 'y', { axis: 1 })],
    opset: 9,
  },
  {
    name: 'Split in uneven parts',
    inputs: { x: [5, 2] },
    nodes: [
      node('Split', ['x'], ['a', 'b', 'c'], { num_outputs: 3 }),
      node('Concat', ['c', 'a', 'c'], 'y', { axis: -2 }),
    ],
  },
  {
    name: 'Split of opset 11',
    inputs: { x: [2, 5] },
    nodes: [
      node('Split', ['x'], ['a', 'b'], { axis: -1, split: [3, 2] }),
      node('Concat', ['b', 'a', 'b'], 'y', { axis: 1 }),
    ],
    opset: 11,
  },
  {
    name: 'Split with a part of nothing',
    inputs: { x: [3] },
    constants: [integers('s', [0, 3])],
    nodes: [node('Split', ['x', 's'], ['a', 'b']), node('Concat', ['b', 'a', 'b'], 'y', { axis: 0 })],
  },
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].map((reverse): Form => ({
      name: `CumSum ${exclusive} ${reverse}`,
      inputs: { x: [2, 3] },
      constants: [integers('a', [-1], [])],
      nodes: [node('CumSum', ['x', 'a'], 'y', { exclusive, reverse })],
    })),
  ),
  ...[-1, 0, 2].flatMap((k) =>
    [0, 1].map((upper): Form => ({
      name: `Trilu ${k} ${upper}`,
      inputs: { x: [2, 3, 4] },
      constants: [integers('k', [k], [])],
      nodes: [node('Trilu', ['x', 'k'], 'y', { upper })],
    })),
  ),
  ...['DCR', 'CRD'].map((mode) =>
    oneOp('DepthToSpace', [1, 8, 2, 3], { blocksize: 2, mode }, { name: `DepthToSpace ${mode}` }),
  ),
  oneOp('SpaceToDepth', [1, 2, 4, 2], { blocksize: 2 }),
  oneOp('Flatten', [2, 3, 2], { axis: -1 }),
  oneOp('Flatten', [2, 3, 2], { axis: 0 }, { name: 'Flatten of all' }),
  oneOp('Transpose', [2, 3, 4]),
  form('Reshape', [2, 3, 4], { s: [0, -1] }),
  form('Reshape', [0, 3], { s: [3, 0] }, { allowzero: 1 }),
  form('CenterCropPad', [4, 3], { s: [3, 6] }),
  form('CenterCropPad', [4, 3], { s: [7] }, { axes: [-1] }),
  ...[0, 1].flatMap((largest) =>
    [0, 1].map((sorted): Form => ({
      name: `TopK ${largest} ${sorted}`,
      inputs: { x: [3, 4] },
      constants: [integers('k', [2])],
      nodes: [node('TopK', ['x', 'k'], ['y', 'i'], { axis: 0, largest, sorted: sorted || 1 })],
    })),
  ),
  {
    name: 'TopK of opset 9',
    inputs: { x: [3, 4] },
    nodes: [node('TopK', ['x'], ['y', 'i'], { axis: -1, k: 2 })],
    opset: 9,
  },
];

const arithmetic: readonly Form[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'Mod'].map((op): Form => ({
    name: `${op}, broadcast both ways`,
    inputs: { x: [3, 1, 2], z: [4, 1] },
    values: op === 'Pow' || op === 'Div' ? { x: [1.1, 0.7, 2.1, 1.4, 0.4, 0.9], z: [1.2, -0.7, 2, 0.5] } : {},
    nodes: [node(op, ['x', 'z'], 'y', op === 'Mod' ? { fmod: 1 } : {})],
  })),
  ...['Max', 'Min', 'Sum', 'Mean'].flatMap((op): Form[] => [
    { name: `${op} of one`, inputs: { x: [2, 3] }, nodes: [node(op, ['x'], 'y')] },
    {
      name: `${op} of three`,
      inputs: { x: [2, 3], z: [3], w: [2, 1] },
      nodes: [node(op, ['x', 'z', 'w'], 'y')],
    },
  ]),
  {
    name: 'Where, all broadcast',
    inputs: { x: [3, 1], z: [2] },
    constants: [tensorOf('c', DType.BOOL, [2, 1, 1], [1, 0])],
    nodes: [node('Where', ['c', 'x', 'z'], 'y')],
  },
  {
    name: 'Clip without a minimum',
    inputs: { x: [5] },
    constants: [floats('h', [], [0.4])],
    nodes: [node('Clip', ['x', '', 'h'], 'y')],
  },
  {
    name: 'Clip with bounds that are fed',
    inputs: { x: [5], l: [1], h: [1] },
    values: { l: [-0.45], h: [0.45] },
    constants: [integers('none', [0])],
    nodes: [
      node('Squeeze', ['l', 'none'], 'low'),
      node('Squeeze', ['h', 'none'], 'high'),
      node('Clip', ['x', 'low', 'high'], 'y'),
    ],
  },
  oneOp('Clip', [5], { min: -0.4 }, { opset: 6 + 1, name: 'Clip of opset 7' }),
  { name: 'PRelu by channels', inputs: { x: [2, 3, 2], s: [3, 1] }, nodes: [node('PRelu', ['x', 's'], 'y')] },
  {
    name: 'PRelu of opset 7',
    inputs: { x: [2, 3], s: [1] },
    nodes: [node('PRelu', ['x', 's'], 'y')],
    opset: 7,
  },
  {
    name: 'Pow of an integer exponent',
    inputs: { x: [4] },
    constants: [integers('p', [3, 2, 0, 1])],
    nodes: [node('Pow', ['x', 'p'], 'y')],
  },
  ...['ij,jk->ik', '...ij,...jk->...ik', 'ij,ij->', 'ij,ij->j', 'ij->ji'].map((equation): Form => ({
    name: `Einsum ${equation}`,
    inputs: equation.includes(',') ? { x: [2, 2], z: [2, 2] } : { x: [2, 3] },
    nodes: [node('Einsum', equation.includes(',') ? ['x', 'z'] : ['x'], 'y', { equation })],
  })),
  ...['ii->i', 'ii', '...ii->...i', 'b...->...b'].map((equation): Form => ({
    name: `Einsum ${equation}`,
    inputs: { x: [3, 3] },
    nodes: [node('Einsum', ['x'], 'y', { equation })],
  })),
  {
    name: 'Gemm of opset 7',
    inputs: { x: [2, 3], z: [4, 3], c: [4] },
    nodes: [node('Gemm', ['x', 'z', 'c'], 'y', { transB: 1, alpha: 0.5, beta: 2 })],
    opset: 7,
  },
  {
    name: 'MatMul of a vector and a batch',
    inputs: { x: [3], z: [2, 3, 4] },
    nodes: [node('MatMul', ['x', 'z'], 'y')],
  },
  { name: 'MatMul of vectors', inputs: { x: [3], z: [3] }, nodes: [node('MatMul', ['x', 'z'], 'y')] },
  { name: 'MatMul of nothing', inputs: { x: [2, 0], z: [0, 3] }, nodes: [node('MatMul', ['x', 'z'], 'y')] },
];

const resized = (
  attributes: AttributeValues,
  to:
    | Readonly<Record<'scales' | 'sizes' | 'roi', readonly number[]>>
    | Partial<Record<'scales' | 'sizes' | 'roi', readonly number[]>>,
  more: AttributeValues = {},
  opset = 19,
): Form => ({
  name: `Resize ${JSON.stringify(attributes)} ${JSON.stringify(to)} ${JSON.stringify(more)}`,
  inputs: { x: [1, 2, 4, 5] },
  constants: [
    ...(to.roi ? [floats('roi', [to.roi.length], to.roi)] : []),
    ...(to.scales ? [floats('scales', [to.scales.length], to.scales)] : []),
    ...(to.sizes ? [integers('sizes', to.sizes)] : []),
  ],
  nodes: [
    node(
      'Resize',
      ['x', to.roi ? 'roi' : '', to.scales ? 'scales' : '', ...(to.sizes ? ['sizes'] : [])],
      'y',
      Object.assign({}, attributes, more),
    ),
  ],
  opset,
});
const resizes: readonly Form[] = [
  ...['nearest', 'linear', 'cubic'].flatMap((mode) => [
    resized({ mode }, { scales: [1, 1, 0.6, 1.7] }),
    resized({ mode }, { sizes: [3, 8] }, { axes: [2, 3] }),
    resized({ mode }, { sizes: [8, 3] }, { axes: [3, 2] }),
    resized({ mode }, { sizes: [1, 2, 7, 3] }, { coordinate_transformation_mode: 'half_pixel_symmetric' }),
    resized({ mode }, { sizes: [1, 2, 1, 1] }, { coordinate_transformation_mode: 'pytorch_half_pixel' }),
    resized({ mode }, { sizes: [1, 2, 1, 9] }, { coordinate_transformation_mode: 'align_corners' }),
    resized({ mode }, { sizes: [7, 7] }, { axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }),
    resized({ mode }, { sizes: [7, 7] }, { axes: [2, 3], keep_aspect_ratio_policy: 'not_smaller' }),
    resized(
      { mode },
      { sizes: [1, 2, 3, 3], roi: [0, 0, 0.2, 0.1, 1, 1, 0.9, 0.8] },
      { coordinate_transformation_mode: 'tf_crop_and_resize' },
    ),
    resized(
      { mode },
      { sizes: [1, 2, 3, 3], roi: [0, 0, -0.2, 0.1, 1, 1, 1.2, 0.8] },
      { coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 2 },
    ),
  ]),
  ...['linear', 'cubic'].flatMap((mode) => [
    resized({ mode, antialias: 1 }, { scales: [1, 1, 0.6, 0.5] }),
    resized({ mode, antialias: 1 }, { sizes: [1, 2, 2, 9] }),
    resized({ mode, antialias: 1 }, { sizes: [2, 2] }, { axes: [2, 3], exclude_outside: 1 }),
  ]),
  resized({ mode: 'cubic', cubic_coeff_a: -0.5 }, { scales: [1, 1, 0.8, 2] }, { exclude_outside: 1 }),
  resized(
    { mode: 'cubic', cubic_coeff_a: -0.5 },
    { scales: [1, 1, 0.8, 2] },
    { coordinate_transformation_mode: 'asymmetric' },
    13,
  ),
  ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map((nearest_mode) =>
    resized({ mode: 'nearest', nearest_mode }, { sizes: [1, 2, 7, 3] }, {}, 13),
  ),
];

const others: readonly Form[] = [
  oneOp('LpNormalization', [2, 3], { axis: 0, p: 1 }),
  oneOp('LpNormalization', [2, 3], { p: 2 }, { name: 'LpNormalization of the last axis' }),
  oneOp('MeanVarianceNormalization', [2, 3, 2, 2]),
  oneOp(
    'MeanVarianceNormalization',
    [2, 3, 2],
    { axes: [-1] },
    { name: 'MeanVarianceNormalization of the last axis' },
  ),
  oneOp('LRN', [1, 4, 2, 2], { size: 3 }),
  oneOp('Shrink', [5], { lambd: 0.4, bias: 0.1 }),
  oneOp('Gelu', [5], { approximate: 'tanh' }, { opset: 20 }),
  oneOp('HardSigmoid', [5]),
  oneOp('Elu', [5], { alpha: 2 }),
  oneOp('Celu', [5], { alpha: 0.5 }),
  oneOp('Selu', [5]),
  oneOp('ThresholdedRelu', [5], { alpha: 0.4 }),
  oneOp('GlobalLpPool', [1, 2, 3, 2], { p: 3 }),
  oneOp('MaxPool', [1, 1, 5, 5], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    storage_order: 1,
  }),
  oneOp('AveragePool', [1, 1, 5, 6], {
    kernel_shape: [3, 2],
    strides: [2, 3],
    pads: [1, 0, 1, 1],
    count_include_pad: 1,
    ceil_mode: 1,
  }),
  {
    name: 'LayerNormalization with its statistics',
    inputs: { x: [2, 3, 2], s: [3, 2], b: [3, 2] },
    nodes: [
      node('LayerNormalization', ['x', 's', 'b'], ['n', 'mean', 'deviation'], { axis: 1 }),
      node('Mul', ['n', 'deviation'], 'p'),
      node('Add', ['p', 'mean'], 'y'),
    ],
  },
  {
    name: 'GroupNormalization of opset 18',
    inputs: { x: [2, 4, 3], s: [2], b: [2] },
    nodes: [node('GroupNormalization', ['x', 's', 'b'], 'y', { num_groups: 2 })],
  },
  {
    name: 'GroupNormalization of opset 21',
    inputs: { x: [2, 4, 3], s: [4], b: [4] },
    nodes: [node('GroupNormalization', ['x', 's', 'b'], 'y', { num_groups: 2 })],
    opset: 21,
  },
  {
    name: 'RMSNormalization',
    inputs: { x: [2, 3, 2], s: [3, 2] },
    nodes: [node('RMSNormalization', ['x', 's'], 'y', { axis: -2 })],
    opset: 23,
  },
  {
    name: 'BatchNormalization of opset 7',
    inputs: { x: [2, 3, 2], s: [3], b: [3] },
    constants: [floats('m', [3], [0.1, 0.2, -0.3]), floats('v', [3], [1, 2, 0.5])],
    nodes: [node('BatchNormalization', ['x', 's', 'b', 'm', 'v'], 'y')],
    opset: 7,
  },
  {
    name: 'ReverseSequence',
    inputs: { x: [3, 2, 2] },
    constants: [integers('l', [3, 2])],
    nodes: [node('ReverseSequence', ['x', 'l'], 'y')],
  },
  {
    name: 'ReverseSequence by batch',
    inputs: { x: [2, 3] },
    constants: [integers('l', [3, 2])],
    nodes: [node('ReverseSequence', ['x', 'l'], 'y', { batch_axis: 0, time_axis: 1 })],
  },
  {
    name: 'OneHot with values that are fed',
    inputs: { v: [2] },
    constants: [integers('i', [0, -1, 5], [3]), integers('d', [3], [])],
    nodes: [node('OneHot', ['i', 'd', 'v'], 'y', { axis: 0 })],
  },
  withName('Dropout of opset 7', oneOp('Dropout', [3], { ratio: 0.5 }, { opset: 7 })),
  withName('Upsample of opset 9', {
    name: '',
    inputs: { x: [1, 1, 2, 3] },
    constants: [floats('s', [4], [1, 1, 2, 1.5])],
    nodes: [node('Upsample', ['x', 's'], 'y', { mode: 'linear' })],
    opset: 9,
  }),
  ...['linear', 'nearest', 'cubic'].flatMap((mode) =>
    ['zeros', 'border', 'reflection'].flatMap((padding_mode) =>
      [0, 1].map((align_corners): Form => ({
        name: `GridSample ${mode} ${padding_mode} ${align_corners}`,
        inputs: { x: [1, 2, 3, 4], grid: [1, 2, 2, 2] },
        values: { grid: [-1.21, 0.33, 0.72, -0.41, 0.13, 1.31, -0.52, -0.61] },
        nodes: [node('GridSample', ['x', 'grid'], 'y', { mode, padding_mode, align_corners })],
        opset: 20,
        wrt: mode === 'nearest' ? ['x'] : ['x', 'grid'],
      })),
    ),
  ),
];

function withName(name: string, found: Form): Form {
  return Object.assign({}, found, { name });
}

describe.each([
  ['reductions', reduced],
  ['softmax', softmaxes],
  ['scattering', scatterings],
  ['movement', movements],
  ['arithmetic', arithmetic],
  ['Resize', resizes],
  ['others', others],
] as const)('%s', (_, forms) => {
  test.each(forms.map((each) => [each.name, each] as const))('%s', async (_name, each) => {
    await expect(check(each)).resolves.toBeUndefined();
  });
});

test('a keep_aspect_ratio_policy of negative axes, which ONNX Runtime ignores, is refused', () => {
  const bytes = modelFrom({
    inputs: { x: [1, 2, 4, 5] },
    outputs: { y: undefined },
    initializers: [integers('sizes', [7, 7])],
    nodes: [
      node('Resize', ['x', '', '', 'sizes'], 'y', { axes: [-2, -1], keep_aspect_ratio_policy: 'not_larger' }),
    ],
    opset: 19,
  });
  expect(() => differentiate(bytes, { loss: squares, wrt: ['x'] })).toThrow('count them from the front');
});
