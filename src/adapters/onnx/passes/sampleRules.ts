import { refuse } from '../ir/errors.ts';
import { parseEinsum } from '../ops/einsum.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { first, meet, onlyFirst, rankOf, unclear, type SampleRule, type Samples } from '../ir/samples.ts';
import {
  concat,
  expand,
  oneHot,
  pad,
  reshape,
  sizeStays,
  slice,
  squeeze,
  tile,
  transpose,
  trilu,
  unsqueeze,
  without,
} from './sampleShapes.ts';

const like: SampleRule = onlyFirst;

/** Inputs of NumPy's rule of broadcasting: their samples must lie on one axis, counted from the last. */
const broadcast: SampleRule = (c) => {
  let found: Samples | undefined;
  const rank = c.out?.length ?? Math.max(...c.node.input.map((_, i) => rankOf(c, i)));
  const inputs = c.node.input.flatMap((name, i) => (name === '' ? [] : [i]));
  for (const i of inputs) {
    const samples = c.of(i);
    if (samples === undefined) continue;
    const moved = { axis: samples.axis + rank - rankOf(c, i), inner: samples.inner };
    if (found && (found.axis !== moved.axis || found.inner !== moved.inner))
      meet('they lie on different axes of its inputs');
    found = moved;
  }
  const { axis } = found ?? unclear();
  for (const i of inputs) {
    if (c.of(i)) continue;
    const size = c.shape(i)?.at(axis - rank) ?? 1;
    if (rank - axis <= rankOf(c, i) && size !== 1)
      meet('another input has a size of its own along the batch');
  }
  return found ?? unclear();
};

/** An op along one axis, which must be another than that of the samples. */
const along =
  (byDefault: number, what: string): SampleRule =>
  (c) => {
    const samples = onlyFirst(c);
    if (axisFrom(c.attributes.int('axis', byDefault), rankOf(c, 0)) === samples.axis) meet(what);
    return samples;
  };

/** Axes from one on are one, as in layer normalization. */
const from: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (axisFrom(c.attributes.int('axis', -1), rankOf(c, 0)) <= samples.axis)
    meet('it normalizes over the batch');
  return samples;
};

/** Convolutions and what else treats each element of the first axis alike. */
const perImage: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (samples.axis !== 0) meet('they do not lie on its first axis');
  return samples;
};

const reduce: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const rank = rankOf(c, 0);
  const given = c.node.input[1] ? (c.integers(1) ?? unclear()) : [];
  if (given.length === 0 && c.attributes.int('noop_with_empty_axes', 0) === 1) return samples;
  const axes = given.length === 0 ? range(rank) : given.map((axis) => axisFrom(axis, rank));
  if (axes.includes(samples.axis)) meet('it reduces over the batch');
  return without(samples, axes, c.attributes.int('keepdims', 1) === 1);
};

const argument: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axis = axisFrom(c.attributes.int('axis', 0), rankOf(c, 0));
  if (axis === samples.axis) meet('it reduces over the batch');
  return without(samples, [axis], c.attributes.int('keepdims', 1) === 1);
};

const gather: SampleRule = (c) => {
  const [data, indices] = [c.of(0), c.of(1)];
  const axis = axisFrom(c.attributes.int('axis', 0), rankOf(c, 0));
  if (data && indices) meet('it picks from samples by samples');
  if (indices) return { axis: axis + indices.axis, inner: indices.inner };
  const { axis: own, inner } = data ?? unclear();
  if (own === axis) meet('it picks among the samples');
  return { axis: own < axis ? own : own - 1 + rankOf(c, 1), inner };
};

const gatherElements: SampleRule = (c) => {
  const samples = broadcast(c) as Samples;
  if (!c.of(0) || !c.of(1)) meet('only one of its inputs holds samples');
  if (axisFrom(c.attributes.int('axis', 0), rankOf(c, 0)) === samples.axis)
    meet('it picks among the samples');
  return samples;
};

const matmul: SampleRule = (c) => {
  const [a, b] = [c.of(0), c.of(1)];
  const [p, q] = [rankOf(c, 0), rankOf(c, 1)];
  const rank = c.out?.length ?? unclear();
  const summed = 'it sums over the batch';
  if (a && b) {
    const [i, j] = [a.axis - p, b.axis - q];
    if (i !== j || i > -3 || a.inner !== b.inner) meet('it multiplies samples with each other');
    return { axis: i + rank, inner: a.inner };
  }
  const [own, size, other] = a ? [a, p, 1] : [b ?? unclear(), q, 0];
  const fromEnd = own.axis - size;
  if (fromEnd === (a || q === 1 ? -1 : -2)) meet(summed);
  if (fromEnd < -2 && (c.shape(other)?.at(fromEnd) ?? 1) !== 1)
    meet('another input has a size of its own there');
  if (fromEnd < -2) return { axis: fromEnd + rank - (q === 1 || p === 1 ? -1 : 0), inner: own.inner };
  if (a) return { axis: q === 1 ? rank - 1 : rank - 2, inner: a.inner };
  return { axis: rank - 1, inner: own.inner };
};

const gemm: SampleRule = (c) => {
  const [a, b, bias] = [c.of(0), c.of(1), c.of(2)];
  if (a && b) meet('it multiplies samples with each other');
  const rows = c.attributes.int('transA', 0) ? 1 : 0;
  const columns = c.attributes.int('transB', 0) ? 0 : 1;
  const biasAxis = bias && bias.axis + 2 - rankOf(c, 2);
  if (a && a.axis !== rows) meet('it sums over the batch');
  if (b && b.axis !== columns) meet('it sums over the batch');
  const found = a
    ? { axis: 0, inner: a.inner }
    : { axis: b ? 1 : (biasAxis ?? 0), inner: (b ?? bias)?.inner ?? 1 };
  if (bias && (biasAxis !== found.axis || bias.inner !== found.inner))
    meet('they lie on different axes of its inputs');
  if (!bias && c.node.input[2] && (c.shape(2)?.at(found.axis - 2) ?? 1) !== 1 && found.axis === 0)
    meet('another input has a size of its own along the batch');
  return found;
};

const einsum: SampleRule = (c) => {
  const equation = parseEinsum(c.attributes.string('equation', '')) ?? unclear();
  const letters = c.node.input.flatMap((_, i) => {
    const samples = c.of(i);
    return samples ? [equation.inputs[i][samples.axis]] : [];
  });
  const [letter] = letters;
  const axis = equation.output.indexOf(letter);
  if (letters.some((other) => other !== letter)) meet('they lie on different axes of its inputs');
  if (axis < 0) meet('it sums over the batch');
  const apart = equation.inputs.some(
    (each, i) => !c.of(i) && each.includes(letter) && c.shape(i)?.[each.indexOf(letter)] !== 1,
  );
  if (apart) meet('another input has a size of its own along the batch');
  const inner = c.node.input.map((_, i) => c.of(i)?.inner).find((size) => size !== undefined) ?? 1;
  return { axis, inner };
};

const recurrent: SampleRule = (c) => {
  const batchFirst = c.attributes.int('layout', 0) === 1;
  const x = first(c);
  if (x.axis !== (batchFirst ? 0 : 1)) meet('it goes through the batch step by step');
  for (const i of [5, 6]) {
    if (!c.node.input[i]) continue;
    const state = c.of(i) ?? refuse('its initial state is that of one sample.');
    if (state.axis !== x.axis) meet('they lie on different axes of its inputs');
  }
  const [sequence, state] = batchFirst ? [0, 0] : [2, 1];
  const { inner } = x;
  return [
    { axis: sequence, inner },
    { axis: state, inner },
    { axis: state, inner },
  ];
};

const cumulative: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axis = c.integers(1)?.[0] ?? unclear();
  if (axisFrom(axis, rankOf(c, 0)) === samples.axis) meet('it sums along the batch');
  return samples;
};

const meanVariance: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if ((c.attributes.ints('axes') ?? [0, 2, 3]).includes(samples.axis)) meet('it normalizes over the batch');
  return samples;
};

const all = (ops: string, rule: SampleRule): [string, SampleRule][] =>
  ops
    .trim()
    .split(/\s+/)
    .map((op) => [op, rule]);

/** Rules by op. What is not here is refused. */
export const sampleRules = new Map<string, SampleRule>([
  ...all(
    `Abs Acos Acosh Asin Asinh Atan Atanh Cast CastLike Ceil Celu Cos Cosh Dropout Elu Erf Exp Floor Gelu HardSigmoid
     HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh
     Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu BitwiseNot`,
    like,
  ),
  ...all(
    `Add Sub Mul Div Pow Min Max Sum Mean Mod Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor PRelu
     Clip BitShift BitwiseAnd BitwiseOr BitwiseXor`,
    broadcast,
  ),
  ...all('Softmax LogSoftmax Hardmax LpNormalization', along(-1, 'it normalizes over the batch')),
  ['TopK', along(-1, 'it sorts the batch')],
  ['Split', along(0, 'it splits the batch')],
  ...all('LayerNormalization RMSNormalization SimplifiedLayerNormalization', from),
  ...all(
    `Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool LRN BatchNormalization
     InstanceNormalization GroupNormalization DepthToSpace SpaceToDepth`,
    perImage,
  ),
  ...all(
    `ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
     ReduceSumSquare`,
    reduce,
  ),
  ...all('ArgMax ArgMin', argument),
  ...all('Reshape Flatten', reshape),
  ...all('LSTM GRU RNN', recurrent),
  ['Resize', sizeStays],
  ['Transpose', transpose],
  ['Concat', concat],
  ['Slice', slice],
  ['Tile', tile],
  ['Expand', expand],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Gather', gather],
  ['GatherElements', gatherElements],
  ['MatMul', matmul],
  ['Gemm', gemm],
  ['Einsum', einsum],
  ['CumSum', cumulative],
  ['MeanVarianceNormalization', meanVariance],
  ['OneHot', oneHot],
  ['Pad', pad],
  ['Trilu', trilu],
]);
