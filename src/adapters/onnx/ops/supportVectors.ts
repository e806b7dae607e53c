/**
 * Models of ai.onnx.ml whose parameters stay fixed: support vector machines, differentiated by their input, and trees,
 * which are constant between their thresholds.
 *
 * @module
 */
import { clone } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferContext, InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, Op, OpTable } from '../ir/op.ts';
import { range, unknownDimension, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { flat } from '../ir/vjp.ts';
import { coupled } from './pairedProbabilities.ts';

const constantOf = (g: Builder, like: Value, shape: readonly number[], values: readonly number[]) =>
  g.constant(g.floatTypeOf(like), shape, values);

/** Kernel between the rows of x and of a matrix `[rows, features]`, `[N, rows]`. */
function kernelOf(g: Builder, x: Value, vectors: Value, attributes: Attributes): Value {
  const kind = attributes.string('kernel_type', 'LINEAR');
  const [gamma = 0, offset = 0, degree = 0] = attributes.floats('kernel_params') ?? [];
  if (kind === 'RBF') {
    const apart = g.sub(g.unsqueeze(x, [1]), g.unsqueeze(vectors, [0]));
    return g.exp(g.mul(-gamma, g.sum(g.square(apart), [2], false)));
  }
  const product = g.gemm(x, vectors, { transB: true });
  const moved = () => g.add(g.mul(gamma, product), offset);
  if (kind === 'LINEAR') return product;
  if (kind === 'POLY') return g.pow(moved(), degree);
  if (kind === 'SIGMOID') return g.tanh(moved());
  return refuse(`kernel_type ${kind} has no rule.`);
}

/** Reads a matrix with one row for each of `rows` support vectors or classes. */
function matrixOf(g: Builder, x: Value, attributes: Attributes, name: string, rows: number): Value {
  const values = attributes.floats(name) ?? refuse(`it has no ${name}.`);
  if (values.length % rows !== 0) refuse(`its ${name} are not a multiple of ${rows}.`);
  return constantOf(g, x, [rows, values.length / rows], values);
}

/** Σ coefficient·kernel(x, vector) + ρ, or kernel(x, coefficients) + ρ without support vectors. */
const regressor: Lowering = (g, { input: [x] }, attributes) => {
  if (attributes.int('one_class', 0) !== 0) refuse('a label of one class, 1 or −1, has no gradient.');
  if (attributes.string('post_transform', 'NONE') !== 'NONE') refuse('a post_transform has no rule.');
  const count = attributes.int('n_supports', 0);
  const [rho = 0] = attributes.floats('rho') ?? [];
  const kernel = kernelOf(
    g,
    x,
    count > 0
      ? matrixOf(g, x, attributes, 'support_vectors', count)
      : matrixOf(g, x, attributes, 'coefficients', 1),
    attributes,
  );
  const sum = count > 0 ? g.matmul(kernel, g.swap(matrixOf(g, x, attributes, 'coefficients', 1))) : kernel;
  return [g.add(sum, rho)];
};

/**
 * Probabilities of a classifier that has them, otherwise its scores: one for each class of a linear one, else one for each
 * pair of classes. Of two classes, the score is that of the second, and the first has its negative.
 */
const classifier: Lowering = (g, node, attributes) => {
  const [x] = node.input;
  const label = node.output[0] ? labelOf(g, node) : undefined;
  if (attributes.string('post_transform', 'NONE') !== 'NONE') refuse('a post_transform has no rule.');
  const counts = attributes.ints('vectors_per_class') ?? [];
  const classes =
    attributes.ints('classlabels_ints')?.length ?? attributes.strings('classlabels_strings')?.length ?? 0;
  const rho = attributes.floats('rho') ?? [0];
  if (counts.length === 0)
    return [
      label,
      g.add(kernelOf(g, x, matrixOf(g, x, attributes, 'coefficients', classes), attributes), rho[0]),
    ];
  const total = counts.reduce((a, b) => a + b, 0);
  const kernel = kernelOf(g, x, matrixOf(g, x, attributes, 'support_vectors', total), attributes);
  const coefficients = attributes.floats('coefficients') ?? refuse('it has no coefficients.');
  const first = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
  const pairs = range(counts.length).flatMap((i) =>
    range(counts.length - i - 1, i + 1).map((j) => [i, j] as const),
  );
  // Column of each pair: the coefficients of class i against j, and of j against i.
  const columns = pairs.map(([i, j]) =>
    range(total).map((v) => {
      if (v >= first[i] && v < first[i] + counts[i]) return coefficients[(j - 1) * total + v];
      return v >= first[j] && v < first[j] + counts[j] ? coefficients[i * total + v] : 0;
    }),
  );
  const weights = constantOf(g, x, [pairs.length, total], columns.flat());
  const scores = g.add(
    g.gemm(kernel, weights, { transB: true }),
    constantOf(g, x, [pairs.length], rho.slice(0, pairs.length)),
  );
  const slopes = attributes.floats('prob_a') ?? [];
  if (slopes.length > 0) return [label, probabilities(g, scores, slopes, attributes, counts.length)];
  return [label, pairs.length === 1 ? g.concat([g.neg(scores), scores], 1) : scores];
};

/** Probabilities of classes from the scores of pairs: 1/(1 + exp(a·score + b)), coupled. */
function probabilities(
  g: Builder,
  scores: Value,
  slopes: readonly number[],
  attributes: Attributes,
  classes: number,
): Value {
  const count = (classes * (classes - 1)) / 2;
  const vector = (values: readonly number[]) => constantOf(g, scores, [count], values.slice(0, count));
  const offsets = attributes.floats('prob_b') ?? refuse('it has prob_a, but no prob_b.');
  const exponent = g.add(g.mul(scores, vector(slopes)), vector(offsets));
  return coupled(g, g.clip(g.sigmoid(g.neg(exponent)), 1e-7, 1 - 1e-7), classes);
}

/** The label, which has no gradient, from the kernel, which reads float32. */
function labelOf(g: Builder, node: NodeProto): Value {
  const again = clone(NodeProtoSchema, node);
  const [label, scores] = [g.fresh('label'), g.fresh('scores')];
  g.append(
    Object.assign(again, {
      name: label,
      input: [g.cast(node.input[0], DType.FLOAT)],
      output: [label, scores],
    }),
  );
  return label;
}

/** float32, or float64 in a model that was converted: then its simpler ops take its place. */
const realType = (c: InferContext) => (c.dtype(0) === DType.DOUBLE ? DType.DOUBLE : DType.FLOAT);

/** The number of rows of the input, and columns from an attribute. */
const rows =
  (columns: (attributes: Attributes) => Dimension): InferRule =>
  (c) => [{ dtype: realType(c), shape: [c.shape(0)?.[0] ?? unknownDimension(), columns(c.attributes)] }];

const labelled =
  (columns: (attributes: Attributes) => Dimension): InferRule =>
  (c) => {
    const count = c.shape(0)?.[0] ?? unknownDimension();
    const dtype = c.attributes.has('classlabels_strings') ? 8 : DType.INT64;
    return [
      { dtype, shape: [count] },
      { dtype: realType(c), shape: [count, columns(c.attributes)] },
    ];
  };

/** The results of trees are float32, whatever they read; `convertPrecision` converts them. */
const tree = (infer: InferRule): Op => ({
  infer: (c) => infer(c.with({ dtype: () => DType.FLOAT })),
  vjp: flat,
  isCostly: true,
});

/** Support vector machines and trees. */
export const kernelModels: OpTable = {
  'ai.onnx.ml::SVMRegressor': { infer: rows(() => 1), as: { float64: regressor }, isCostly: true },
  'ai.onnx.ml::SVMClassifier': {
    infer: labelled(() => unknownDimension()),
    as: { float64: classifier },
    isCostly: true,
  },
  'ai.onnx.ml::TreeEnsembleRegressor': tree(rows((a) => a.int('n_targets', 1))),
  'ai.onnx.ml::TreeEnsembleClassifier': tree(labelled(() => unknownDimension())),
  'ai.onnx.ml::TreeEnsemble': {
    infer: (c) => [
      {
        dtype: c.dtype(0),
        shape: [c.shape(0)?.[0] ?? unknownDimension(), c.attributes.int('n_targets', 1)],
      },
    ],
    vjp: flat,
    isCostly: true,
  },
};
