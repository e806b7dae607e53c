import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import { decimalOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { isIdentity } from '../ir/node.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';

/** Returns numbers in a float type, by default the graph's. */
const real = (g: Builder, x: Value) => (g.isFloat(x) ? x : g.cast(x, g.float));

/** (x − offset)·scale; offset and scale are one number for all features, or one for each. */
const scaler: Lowering = (g, { input: [x] }, attributes) => {
  const values = real(g, x);
  const of = (name: string) => {
    const numbers = attributes.floats(name) ?? refuse(`it has no ${name}.`);
    return g.constant(g.floatTypeOf(values), [numbers.length], numbers);
  };
  return [g.mul(g.sub(values, of('offset')), of('scale'))];
};

function transformed(g: Builder, scores: Value, attributes: Attributes): Value {
  const name = attributes.string('post_transform', 'NONE');
  if (name === 'NONE') return scores;
  if (name === 'LOGISTIC') return g.sigmoid(scores);
  if (name === 'SOFTMAX') return g.softmax(scores, -1);
  return refuse(`post_transform ${name} has no rule.`);
}

/** x·Cᵀ + b; C and b have been moved from attributes to inputs. */
function scoresOf(g: Builder, [x, coefficients, intercepts]: readonly Value[]): Value {
  if (!coefficients) refuse('the number of its coefficients is not a multiple of that of its targets.');
  const values = real(g, x);
  const weight = g.cast(coefficients, g.floatTypeOf(values));
  const bias = intercepts && g.cast(intercepts, g.floatTypeOf(values));
  return g.gemm(values, weight, { transB: true }, bias);
}

const regressor: Lowering = (g, { input }, attributes) => [transformed(g, scoresOf(g, input), attributes)];

const classifier: Lowering = (g, node, attributes) => {
  const scores = scoresOf(g, node.input);
  const rows = g.shapeOf(node.input[1])?.[0];
  if (rows === 1) refuse('one score for two classes has no rule; export it with a score for each.');
  const probabilities = transformed(g, scores, attributes);
  const best = () => g.argMax(scores, 1, false);
  return [node.output[0] ? g.gather(labelsOf(g, attributes), best()) : undefined, probabilities];
};

function labelsOf(g: Builder, attributes: Attributes): Value {
  const numbers = attributes.ints('classlabels_ints');
  if (numbers) return g.integers(numbers);
  const words = attributes.strings('classlabels_strings') ?? refuse('it has no class labels.');
  const text = new TextEncoder();
  return g.addConstant(
    create(TensorProtoSchema, {
      name: g.fresh('labels'),
      dataType: 8,
      dims: [BigInt(words.length)],
      stringData: words.map((word) => text.encode(word)),
    }),
  );
}

/** Divides rows by their norm; the rows of a softmax already sum to 1. */
const normalizer: Lowering = (g, { input: [x] }, attributes) => {
  const norm = attributes.string('norm', 'MAX');
  const values = real(g, x);
  const made = g.makerOf(values);
  const source = made && isIdentity(made) ? made.input[0] : values;
  if (norm === 'L1') {
    if (g.traitsOf(source)?.probability === 'classes') return [values];
    return [g.div(values, g.sum(g.abs(values), [-1]))];
  }
  if (norm === 'L2') return [g.div(values, g.sqrt(g.sum(g.square(values), [-1])))];
  return [g.div(values, g.maxOver(values, [-1]))];
};

/** One-hot encoding of integer categories, through which no gradient flows. */
const oneHotEncoder: Lowering = (g, { input: [x] }, attributes) => {
  const categories = attributes.ints('cats_int64s') ?? refuse('string categories have no rule.');
  const numbers = g.cast(x, DType.INT64);
  return [g.cast(g.equal(g.unsqueeze(numbers, [-1]), g.integers(categories)), DType.FLOAT)];
};

/** Missing values replaced by one number for all features, or one for each; NaN if the attribute does not say otherwise. */
const imputer: Lowering = (g, { input: [x] }, attributes) => {
  const values = attributes.floats('imputed_value_floats');
  if (values === undefined || values.length === 0 || !g.isFloat(x))
    refuse('it has a rule only for floats, with imputed_value_floats.');
  const missing = attributes.float('replaced_value_float', 0);
  const dtype = g.floatTypeOf(x);
  const isMissing = Number.isNaN(missing) ? g.isNaN(x) : g.equal(x, g.scalar(missing, dtype));
  return [g.where(isMissing, g.constant(dtype, [values.length], values.map(decimalOf)), x)];
};

/** Columns of x. */
const features: Lowering = (g, { input: [x, indices] }) => [
  g.gather(x, g.reshape(g.cast(indices, DType.INT64), [-1]), g.rank(x) - 1),
];

/** All features side by side, as floats. */
const featureVector: Lowering = (g, { input }) => [
  g.identity(
    g.concat(
      input.map((x) => g.cast(real(g, x), g.float)),
      1,
    ),
  ),
];

/** 1 where x exceeds a threshold, else 0. */
const binarizer: Lowering = (g, { input: [x] }, attributes) => [
  g.mask(g.greater(x, g.scalar(attributes.float('threshold', 0), g.dtypeOf(x))), x),
];

/** Ops of ai.onnx.ml in exported linear models of scikit-learn and their preprocessing. */
export const linearModels: OpTable = {
  'ai.onnx.ml::Scaler': { as: { read: scaler } },
  'ai.onnx.ml::LinearRegressor': { as: { read: regressor } },
  'ai.onnx.ml::LinearClassifier': { as: { read: classifier } },
  'ai.onnx.ml::Normalizer': { as: { read: normalizer } },
  'ai.onnx.ml::OneHotEncoder': { as: { read: oneHotEncoder } },
  'ai.onnx.ml::Imputer': { as: { read: imputer } },
  'ai.onnx.ml::ArrayFeatureExtractor': { as: { read: features } },
  'ai.onnx.ml::FeatureVectorizer': { as: { read: featureVector } },
  'ai.onnx.ml::Binarizer': { as: { read: binarizer } },
};
