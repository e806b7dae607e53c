import type { NodeProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';
import { range, unknownDimension, unknownShape, type TensorType } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { know, type Facts, type InferContext } from '../ir/facts.ts';

/** Infers what is known of a node's outputs, into the facts. */
type InferNode = (facts: Facts, node: NodeProto) => void;

/** The types of a node's outputs that its graphs make; none for any other op than those of control flow. */
export function typesWithin(facts: Facts, c: InferContext, inferNode: InferNode): TensorType[] {
  if (c.node.opType === 'Scan') return scanTypes(facts, c, inferNode);
  if (c.node.opType === 'Loop') return loopTypes(facts, c, inferNode);
  return c.node.opType === 'If' ? branchTypes(facts, c, inferNode) : [];
}

const factsWithin = ({ types, contents, constants }: Facts): Facts => ({
  types: new Map(types),
  contents: new Map(contents),
  constants: new Map(constants),
});

/** The types of an If's outputs, as far as its branches agree. */
function branchTypes(facts: Facts, { node }: InferContext, inferNode: InferNode): TensorType[] {
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
function loopTypes(facts: Facts, { node, shape, dtype }: InferContext, inferNode: InferNode): TensorType[] {
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
function scanTypes(
  facts: Facts,
  { node, attributes, shape, dtype }: InferContext,
  inferNode: InferNode,
): TensorType[] {
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
