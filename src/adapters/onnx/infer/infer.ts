import type { NodeProto } from 'onnx-buf';
import { subgraphsOf } from '../graph/attributes.ts';
import { constantTensor } from '../graph/constant.ts';
import { range, unknownDimension, unknownShape, type TensorType } from '../graph/shape.ts';
import { DType, isFloat } from '../graph/tensor.ts';
import { contents } from './contents.ts';
import { inferContext, know, type Facts, type InferContext, type InferRule } from './context.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { recurrent } from './recurrent.ts';
import { reduction } from './reduction.ts';
import { shapes } from './shapes.ts';
import { windows } from './windows.ts';

const rules = new Map<string, InferRule>([
  ...elementwise,
  ...reduction,
  ...shapes,
  ...indexing,
  ...linear,
  ...windows,
  ...recurrent,
]);

const integral = new Set<DType | undefined>([DType.INT64, DType.INT32, DType.BOOL]);

/** The ops whose results' types are known from their inputs'. */
export const inferredOps = (): ReadonlySet<string> => new Set(rules.keys());

/**
 * Writes into `facts` what is known of a node's outputs: from its op's rule, else from what the file says,
 * else that it is of its first float input's type.
 */
export function inferNode(facts: Facts, node: NodeProto): void {
  const c = inferContext(facts, node);
  const standard = node.domain === '' || node.domain === 'ai.onnx';
  const constant = standard ? constantTensor(node) : undefined;
  if (constant !== undefined) return know(facts, { ...constant, name: node.output[0] });
  const rule = standard ? rules.get(node.opType) : undefined;
  const types = rule?.(c) ?? (standard ? typesWithin(facts, c) : []);
  const fallback = node.input.findIndex((_, i) => isFloat(c.dtype(i)));
  node.output.forEach((output, k) => {
    const declared = facts.types.get(output);
    const inferred: TensorType = types[k] ?? (rule ? {} : { dtype: c.dtype(fallback) });
    facts.types.set(output, {
      dtype: (rule ? inferred.dtype : undefined) ?? declared?.dtype ?? inferred.dtype,
      // Sizes that a file declares may be those it was traced with: only their number is taken.
      shape: inferred.shape ?? (declared?.shape && unknownShape(declared.shape.length)),
    });
  });
  const [first] = node.output;
  if (!standard || !integral.has(facts.types.get(first)?.dtype)) return;
  const elements = contents.get(node.opType)?.(c);
  if (elements && elements.length <= 64) facts.contents.set(first, elements);
}

/** The types of a node's outputs that its graphs make. */
function typesWithin(facts: Facts, c: InferContext): TensorType[] {
  if (c.node.opType === 'Scan') return scanTypes(facts, c);
  if (c.node.opType === 'Loop') return loopTypes(facts, c);
  return c.node.opType === 'If' ? branchTypes(facts, c) : [];
}

const factsWithin = ({ types, contents, constants }: Facts): Facts => ({
  types: new Map(types),
  contents: new Map(contents),
  constants: new Map(constants),
});

/** The types of an If's outputs, as far as its branches agree. */
function branchTypes(facts: Facts, { node }: InferContext): TensorType[] {
  const [first, second] = subgraphsOf(node).map((branch) => {
    const inner = factsWithin(facts);
    for (const tensor of branch.initializer) know(inner, tensor);
    for (const each of branch.node) inferNode(inner, each);
    return branch.output.map(({ name }): TensorType => inner.types.get(name) ?? {});
  });
  return (first ?? []).map(({ dtype, shape }, k) => {
    const other = second?.[k]?.shape;
    const same = shape?.length === other?.length;
    return {
      dtype: dtype ?? second?.[k]?.dtype,
      shape: same ? shape?.map((size, i) => (size === other?.[i] ? size : unknownDimension())) : undefined,
    };
  });
}

/** The types of a Loop's outputs: of states whose shape a step leaves as it is, and of what each step makes. */
function loopTypes(facts: Facts, { node, shape, dtype }: InferContext): TensorType[] {
  const [body] = subgraphsOf(node);
  if (body === undefined) return [];
  const count = node.input.length - 2;
  const infer = (states: readonly TensorType[]) => {
    const inner = factsWithin(facts);
    const given = [{ dtype: DType.INT64, shape: [] }, { dtype: DType.BOOL, shape: [] }, ...states];
    body.input.forEach(({ name }, i) => inner.types.set(name, given[i] ?? {}));
    for (const tensor of body.initializer) know(inner, tensor);
    for (const each of body.node) inferNode(inner, each);
    return body.output.slice(1).map(({ name }): TensorType => inner.types.get(name) ?? {});
  };
  let states = range(count).map((i): TensorType => ({ dtype: dtype(i + 2), shape: shape(i + 2) }));
  const loose = new Set<number>();
  let made = infer(states);
  const stays = (i: number) => {
    const [from, to] = [states[i].shape, made[i]?.shape];
    return from === undefined || (from.length === to?.length && (loose.has(i) || from.join() === to.join()));
  };
  // Of what may change its size, the number of axes at most is known; other states may follow from it.
  while (!range(count).every(stays)) {
    states = states.map(({ dtype, shape }, i) => {
      if (stays(i)) return { dtype, shape };
      const rank = shape?.length ?? 0;
      if (made[i]?.shape?.length !== rank) return { dtype };
      loose.add(i);
      return { dtype, shape: unknownShape(rank) };
    });
    made = infer(states);
  }
  const last = states.map(({ dtype, shape }, i) => ({
    dtype,
    shape: loose.has(i) ? shape && unknownShape(shape.length) : shape,
  }));
  const results = made.slice(count).map((type) => ({
    dtype: type.dtype,
    shape: type.shape && [unknownDimension(), ...type.shape],
  }));
  return [...last, ...results];
}

/** The types of a Scan's outputs, from what its body makes in one step. */
function scanTypes(facts: Facts, { node, attributes, shape, dtype }: InferContext): TensorType[] {
  const [body] = subgraphsOf(node);
  const states = node.input.length - attributes.int('num_scan_inputs', 0);
  const moved = ['scan_input_axes', 'scan_output_axes'].flatMap((name) => attributes.ints(name) ?? []);
  if (body === undefined || states < 0 || moved.some((axis) => axis !== 0)) return [];
  const inner = factsWithin(facts);
  body.input.forEach(({ name }, i) =>
    inner.types.set(name, { dtype: dtype(i), shape: i < states ? shape(i) : shape(i)?.slice(1) }),
  );
  for (const tensor of body.initializer) know(inner, tensor);
  for (const each of body.node) inferNode(inner, each);
  const time = shape(states)?.[0] ?? unknownDimension();
  return body.output.map(({ name }, k) => {
    const made = inner.types.get(name);
    return { dtype: made?.dtype, shape: k < states ? shape(k) : made?.shape && [time, ...made.shape] };
  });
}
