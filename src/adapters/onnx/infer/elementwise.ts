import { broadcastShapes } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { InferRule } from '../ir/facts.ts';

const words = (text: string) => text.trim().split(/\s+/);

const like: InferRule = (c) => [{ dtype: c.dtype(0), shape: c.shape(0) }];
const inputs = (c: Parameters<InferRule>[0]) => c.node.input.map((_, i) => c.shape(i));
const broadcast: InferRule = (c) => [{ dtype: c.dtype(0), shape: broadcastShapes(inputs(c)) }];
const compare: InferRule = (c) => [{ dtype: DType.BOOL, shape: broadcastShapes(inputs(c)) }];
const test: InferRule = (c) => [{ dtype: DType.BOOL, shape: c.shape(0) }];
const castTo = (c: Parameters<InferRule>[0]): DType => c.attributes.int('to', DType.FLOAT);

/** That of the zero point, else what an attribute says. */
const quantizedType = (c: Parameters<InferRule>[0]): DType =>
  c.dtype(2) ?? (c.attributes.int('output_dtype', 0) || DType.UINT8);

const normalisation: InferRule = (c) => [
  { dtype: c.dtype(0), shape: c.shape(0) },
  { dtype: c.dtype(1), shape: c.shape(1) },
  { dtype: c.dtype(1), shape: c.shape(1) },
];

const layerNormalisation: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(-1);
  const statistic = shape && axis !== undefined ? shape.map((size, i) => (i < axis ? size : 1)) : undefined;
  // Of float64 they are computed in float64 here; see the kernels.
  const statistics = { dtype: c.dtype(0) === DType.DOUBLE ? DType.DOUBLE : DType.FLOAT, shape: statistic };
  return [{ dtype: c.dtype(0), shape }, statistics, statistics];
};

/** Ops whose result has the shape of its first input, or of all inputs broadcast. */
export const elementwise = new Map<string, InferRule>([
  ...words(`
    Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish
    Hardmax Identity LeakyRelu Log LogSoftmax Mish Neg PRelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin
    Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu BitwiseNot
    CumSum InstanceNormalization GroupNormalization LRN LpNormalization MeanVarianceNormalization
    RMSNormalization ScatterElements ScatterND Scatter Trilu ReverseSequence Bernoulli
    RandomNormalLike RandomUniformLike`).map((op): [string, InferRule] => [op, like]),
  ...words('Add Sub Mul Div Pow Min Max Sum Mean Mod BitShift BitwiseAnd BitwiseOr BitwiseXor').map(
    (op): [string, InferRule] => [op, broadcast],
  ),
  ...words('Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor').map((op): [string, InferRule] => [
    op,
    compare,
  ]),
  ...words('Not IsNaN IsInf').map((op): [string, InferRule] => [op, test]),
  ['Where', (c) => [{ dtype: c.dtype(1) ?? c.dtype(2), shape: broadcastShapes(inputs(c)) }]],
  ['Cast', (c) => [{ dtype: castTo(c), shape: c.shape(0) }]],
  ['CastLike', (c) => [{ dtype: c.dtype(1), shape: c.shape(0) }]],
  [
    'EyeLike',
    (c) => [
      { dtype: c.attributes.has('dtype') ? c.attributes.int('dtype', 1) : c.dtype(0), shape: c.shape(0) },
    ],
  ],
  [
    'Dropout',
    (c) => [
      { dtype: c.dtype(0), shape: c.shape(0) },
      { dtype: DType.BOOL, shape: c.shape(0) },
    ],
  ],
  ['QuantizeLinear', (c) => [{ dtype: quantizedType(c), shape: c.shape(0) }]],
  ['DequantizeLinear', (c) => [{ dtype: c.dtype(1), shape: c.shape(0) }]],
  [
    'DynamicQuantizeLinear',
    (c) => [
      { dtype: DType.UINT8, shape: c.shape(0) },
      { dtype: DType.FLOAT, shape: [] },
      { dtype: DType.UINT8, shape: [] },
    ],
  ],
  ['BatchNormalization', normalisation],
  ['LayerNormalization', layerNormalisation],
  ['SimplifiedLayerNormalization', (c) => layerNormalisation(c).slice(0, 2)],
]);
