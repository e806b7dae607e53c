import { attributesOf } from '../ir/attributes.ts';
import { encodeModel } from '../ir/model.ts';
import { isStatic } from '../ir/shape.ts';
import { ifPossible } from './jacobianGraphs.ts';
import { buildResiduals, onlyOutputs, type ResidualGraphs, type ResidualSource } from './residualGraphs.ts';
import type { NodeProto } from 'onnx-buf';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** A result that parameters of a dense layer contribute to: a weight, a bias, or both. */
export interface DenseSite {
  /** Name of the output with the layer's inputs A, `[samples, in]`; null if there is only a bias. */
  readonly input: string | null;
  /** True if a bias is added. */
  readonly hasBias: boolean;
  /** For each residual of a sample, the name of the output with its derivatives D, `[samples, out]`. */
  readonly deltas: readonly string[];
}

/** Graph of the inputs and derivatives of all layers. */
export interface DenseGraph {
  readonly bytes: Uint8Array;
  readonly sites: readonly DenseSite[];
  readonly samples: number;
  /** Number of residuals per sample. */
  readonly columns: number;
  readonly inputs: readonly string[];
}

/** Most residuals per sample: each takes a backward pass of its own, and more would make the graph too large. */
const MAX_COLUMNS = 16;

/** Ops that keep samples apart if all operands have the samples along the first axis. */
const elementwise = new Set(
  `Abs Add Celu Clip Cos Div Elu Erf Exp Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Mul Neg Pow Reciprocal Relu
   Selu Sigmoid Sin Softplus Softsign Sqrt Sub Swish Tanh ThresholdedRelu`.split(/\s+/),
);

/** The use of a parameter. */
interface Place {
  /** Result of the node that it is an operand of, `[samples, out]`. */
  readonly output: Value;
  /** Operand that a weight multiplies; null for a bias. */
  readonly input: Value | null;
}

/**
 * Builds the graph of the factors of JJᵀ, if every parameter is the weight or the bias of one dense layer, and samples
 * do not interact between the first of these layers and the residuals.
 *
 * @returns null otherwise
 */
export function denseGraph(source: ResidualSource, whole: ResidualGraphs): DenseGraph | null {
  const [[samples, columns], ...others] = whole.sizes;
  if (others.length > 0 || columns > MAX_COLUMNS) return null;
  return ifPossible(() => {
    let sites: DenseSite[] | null = null;
    const { differentiated } = buildResiduals(source, 1, (g, context, [residuals]) => {
      const parameters = source.names.map(context.value);
      if (!areApart(g, parameters, samples)) return;
      const places = parameters.map((parameter) => placeOf(g, parameter, samples));
      if (places.some((place) => place === null)) return;
      sites = addSites(g, places as Place[], residuals, [samples, columns], context.gradient);
    });
    if (sites === null) return null;
    const model = onlyOutputs(differentiated.bytes, (name) => name.startsWith('dense/'));
    const inputs = model.graph.input.map(({ name }) => name);
    return { bytes: encodeModel(model), sites, samples, columns, inputs };
  });
}

/** Adds the outputs; places that share a result make one site. */
function addSites(
  g: Builder,
  places: readonly Place[],
  residuals: Value,
  [samples, columns]: readonly [number, number],
  gradient: (of: Value, wrt: readonly Value[]) => Value[],
): DenseSite[] {
  const results = [...new Set(places.map(({ output }) => output))];
  const table = g.reshape(residuals, [samples, columns]);
  const deltas = Array.from({ length: columns }, (_, j) =>
    gradient(columns === 1 ? table : g.slice(table, j, j + 1, 1), results),
  );
  return results.map((result, k) => {
    const here = places.filter(({ output }) => output === result);
    const weight = here.find(({ input }) => input !== null);
    const input = weight === undefined ? null : `dense/input/${k}`;
    if (input !== null && weight?.input) g.addOutput(input, g.op('Identity', [weight.input]));
    const names = deltas.map((of, j) => {
      const name = `dense/delta/${k}/${j}`;
      g.addOutput(name, g.op('Identity', [of[k]]));
      return name;
    });
    return { input, hasBias: here.some((place) => place.input === null), deltas: names };
  });
}

/** Returns the use of a parameter, or null if it is not the weight or bias of exactly one dense layer. */
function placeOf(g: Builder, parameter: Value, samples: number): Place | null {
  const users = g.proto.node.filter(({ input }) => input.includes(parameter));
  if (users.length !== 1 || users[0].input.filter((name) => name === parameter).length !== 1) return null;
  const [node] = users;
  const slot = node.input.indexOf(parameter);
  const [output] = node.output;
  if (!isTable(g, output, samples)) return null;
  const [weight, bias] = [
    { output, input: node.input[0] },
    { output, input: null },
  ];
  if (node.opType === 'MatMul') return slot === 1 && isTable(g, node.input[0], samples) ? weight : null;
  if (node.opType === 'Gemm') {
    const { int, float } = attributesOf(node);
    const isPlain = int('transA', 0) === 0 && float('alpha', 1) === 1 && float('beta', 1) === 1;
    if (!isPlain || slot === 0) return null;
    return slot === 1 ? weight : isRow(g, parameter, output) ? bias : null;
  }
  return node.opType === 'Add' && isRow(g, parameter, output) ? bias : null;
}

/** True for a value `[samples, …]` of two axes. */
function isTable(g: Builder, value: Value, samples: number): boolean {
  const shape = g.shapeOf(value);
  return isStatic(shape) && shape.length === 2 && shape[0] === samples;
}

/** True for a parameter that is added to each row of a result. */
function isRow(g: Builder, parameter: Value, output: Value): boolean {
  const [shape, result] = [g.shapeOf(parameter), g.shapeOf(output)];
  if (!isStatic(shape) || !isStatic(result)) return false;
  const leading = shape.slice(0, -1);
  return shape.length >= 1 && shape.at(-1) === result.at(-1) && leading.every((size) => size === 1);
}

/** True if every node that depends on the parameters computes each sample separately. */
function areApart(g: Builder, parameters: readonly Value[], samples: number): boolean {
  const own = new Set(parameters);
  const reached = new Set<Value>();
  for (const node of g.proto.node) {
    const depends = node.input.map((name) => own.has(name) || reached.has(name));
    if (!depends.some(Boolean)) continue;
    if (!isApart(g, node, depends, own, samples)) return false;
    for (const output of node.output) reached.add(output);
  }
  return true;
}

function isApart(
  g: Builder,
  { opType, input, output }: NodeProto,
  depends: readonly boolean[],
  own: ReadonlySet<Value>,
  samples: number,
): boolean {
  const shape = g.shapeOf(output[0]);
  if (output.length !== 1 || !isStatic(shape) || shape[0] !== samples) return false;
  // A matrix computed from parameters is not itself a parameter.
  if (opType === 'MatMul' || opType === 'Gemm') {
    return shape.length === 2 && depends.every((does, i) => i === 0 || !does || own.has(input[i]));
  }
  // An operand without the axis of samples must be a parameter itself, or not depend on any.
  const hasSamples = (name: Value): boolean => {
    const of = g.shapeOf(name);
    return isStatic(of) && of.length === shape.length && of[0] === samples;
  };
  return (
    elementwise.has(opType) && depends.every((does, i) => !does || own.has(input[i]) || hasSamples(input[i]))
  );
}
