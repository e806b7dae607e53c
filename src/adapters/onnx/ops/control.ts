import { clone, create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import type { ValueInfoProto } from 'onnx-buf';
import { nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { bodyIn, doBody } from '../ir/body.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import { valueInfo, type Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { scan } from '../ir/scan.ts';
import { axisFrom, range, unknownDimension, unknownShape, type TensorType } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { throughSteps } from './throughSteps.ts';
import { mapIf, mapLoop, mapScan } from './vmap/bodies.ts';

/** Replaces an If whose condition is known before the graph runs, such as a test of a rank, by the branch taken. */
const branch: Lowering = (g, node) => {
  const condition = g.integersOf(node.input[0]);
  if (condition?.length !== 1) return undefined;
  const taken = condition[0] === 0 ? 'else_branch' : 'then_branch';
  const body = node.attribute.find(({ name }) => name === taken)?.g;
  return body && doBody(g, body, []);
};

/** Types of an If's outputs, where its branches agree. */
const inferIf: InferRule = (c) => {
  const [first, second] = subgraphsOf(c.node).map((branch) => c.within(branch, []));
  return first?.map(({ dtype, shape }, k) => {
    const other = second?.[k]?.shape;
    const same = shape?.length === other?.length;
    return {
      dtype: dtype ?? second?.[k]?.dtype,
      shape: same ? shape?.map((size, i) => (size === other?.[i] ? size : unknownDimension())) : undefined,
    };
  });
};

/** Types of a Loop's outputs: of states whose shapes the steps keep, and of stacked results. */
const inferLoop: InferRule = (c) => {
  const [body] = subgraphsOf(c.node);
  if (body === undefined) return undefined;
  const count = c.node.input.length - 2;
  const counter = [
    { dtype: DType.INT64, shape: [] },
    { dtype: DType.BOOL, shape: [] },
  ];
  const step = (states: readonly TensorType[]) => c.within(body, [...counter, ...states]).slice(1);
  let states = range(count).map((i): TensorType => ({ dtype: c.dtype(i + 2), shape: c.shape(i + 2) }));
  const loose = new Set<number>();
  let made = step(states);
  const stays = (i: number) => {
    const [from, to] = [states[i].shape, made[i]?.shape];
    return from === undefined || (from.length === to?.length && (loose.has(i) || from.join() === to.join()));
  };
  // For a state that changes its sizes, at most the number of axes is known; other states may depend on it.
  while (!range(count).every(stays)) {
    states = states.map(({ dtype, shape }, i) => {
      if (stays(i)) return { dtype, shape };
      const rank = shape?.length ?? 0;
      if (made[i]?.shape?.length !== rank) return { dtype };
      loose.add(i);
      return { dtype, shape: unknownShape(rank) };
    });
    made = step(states);
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
};

/** Types of a Scan's outputs, from those of its body in one step. */
const inferScan: InferRule = (c) => {
  const { node, attributes } = c;
  const [body] = subgraphsOf(node);
  const states = node.input.length - attributes.int('num_scan_inputs', 0);
  const moved = ['scan_input_axes', 'scan_output_axes'].flatMap((name) => attributes.ints(name) ?? []);
  if (body === undefined || states < 0 || moved.some((axis) => axis !== 0)) return undefined;
  const slices = node.input.map((_, i) => ({
    dtype: c.dtype(i),
    shape: i < states ? c.shape(i) : c.shape(i)?.slice(1),
  }));
  const time = c.shape(states)?.[0] ?? unknownDimension();
  return c.within(body, slices).map((made, k) => ({
    dtype: made.dtype,
    shape: k < states ? c.shape(k) : made.shape && [time, ...made.shape],
  }));
};

/** A second If with the same condition, whose branches compute the cotangents of the values that each branch read. */
const ifRule: VjpRule = ({ g, node, inputs, dys, needs, within }) => {
  const captured = inputs.slice(node.input.length);
  const wanted = captured.filter((_, j) => needs(node.input.length + j));
  const back = (branch: string) => {
    const graph = node.attribute.find(({ name }) => name === branch)?.g ?? refuse(`it has no ${branch}.`);
    const body = bodyIn(g, [...captured, ...dys.filter((dy) => dy !== undefined)]);
    const outputs = doBody(body, graph, []);
    const seeds = outputs.flatMap((output, k): [Value, Value][] => {
      const dy = dys[k];
      return dy === undefined ? [] : [[output, dy]];
    });
    const found = within(body, seeds, wanted);
    for (const value of wanted) body.addOutput(body.fresh('out'), found.get(value) ?? body.zerosLike(value));
    return body.proto;
  };
  const cotangents = g.either(node.input[0], back('then_branch'), back('else_branch'), wanted.length);
  wanted.forEach((value, k) => g.types.set(cotangents[k], g.types.get(value) ?? {}));
  return inputs.map((input, i) => (i < node.input.length ? undefined : cotangents[wanted.indexOf(input)]));
};

/** A second Loop recomputes the states, which are not kept, and counts the steps. */
const loopRule: VjpRule = (c) => {
  const { g, node, inputs } = c;
  const [body] = subgraphsOf(node);
  const initial = node.input.slice(2);
  if (body === undefined || body.input.length !== initial.length + 2)
    refuse('its body and its inputs do not fit together.');

  const again = bodyIn(g, inputs.slice(node.input.length));
  const own = [
    again.addInput(again.fresh('step'), DType.INT64, []),
    again.addInput(again.fresh('going'), DType.BOOL, []),
    ...initial.map((state) =>
      again.addInput(again.fresh('state'), g.dtypeOf(state) ?? g.float, g.shapeOf(state)),
    ),
  ];
  const [going, ...next] = doBody(again, body, own).slice(0, own.length - 1);
  for (const value of [going, ...next, own[0], ...own.slice(2)]) again.addOutput(again.fresh('out'), value);
  const loop = g.ops('Loop', node.input.slice(0, own.length), { body: again.proto }, 2 * initial.length + 1);
  const [steps, ...before] = loop.slice(initial.length);

  return throughSteps(c, {
    firstInput: 2,
    initial,
    before,
    sequences: [steps],
    sequencesBackward: [false],
    resultsBackward: body.output.slice(initial.length + 1).map(() => false),
    step: (s, now, [step]) => doBody(s, body, [step, s.constant(DType.BOOL, [], [1]), ...now]).slice(1),
  });
};

/** A Scan along other axes than the first, as one along the first between transpositions. */
const alongFirst: Lowering = (g, node, attributes) => {
  const count = attributes.int('num_scan_inputs', 0);
  const states = node.input.length - count;
  const [inputAxes, outputAxes] = ['scan_input_axes', 'scan_output_axes'].map(
    (name) => attributes.ints(name) ?? [],
  );
  if ([...inputAxes, ...outputAxes].every((axis) => axis === 0)) return undefined;
  const move = (v: Value, axis: number, back: boolean) => {
    const rank = g.rank(v);
    const at = axisFrom(axis, rank);
    const others = range(rank).filter((i) => i !== (back ? 0 : at));
    return g.transpose(v, back ? others.toSpliced(at, 0, 0) : [at, ...others]);
  };
  const input = node.input.map((v, i) => (i < states ? v : move(v, inputAxes[i - states] ?? 0, false)));
  const output = node.output.map(() => g.fresh('Scan'));
  const plain = node.attribute.filter(({ name }) => !name.endsWith('put_axes'));
  g.append(Object.assign(clone(NodeProtoSchema, node), { name: output[0], input, output, attribute: plain }));
  return output.map((v, k) => (k < states ? v : move(v, outputAxes[k - states] ?? 0, true)));
};

/** Describes a value by the element type of another one. */
const typed = ({ type }: ValueInfoProto, name: string): ValueInfoProto =>
  valueInfo(name, type?.value.case === 'tensorType' ? type.value.value.elemType : 0, undefined);

/**
 * Scan of opset 8, whose tensors have the batch before the sequence: a Scan along the batch, in whose body another one
 * goes along the sequence.
 */
function alongBatch({ node, attributes, from }: UpgradeContext): void {
  if (from >= 9) return;
  const [lengths, ...inputs] = node.input;
  if (lengths) refuse('lengths of its sequences (opset 8) have no rule.');
  const [body] = subgraphsOf(node);
  if (body === undefined) refuse('it has no body.');
  const name = (part: string, i: number) => `${node.output.find(Boolean)}/${part}_${i}`;
  const inner = nodeOf(
    'Scan',
    inputs.map((_, i) => name('each', i)),
    node.output.map((_, i) => name('made', i)),
  );
  inner.attribute = [
    ...node.attribute.filter(({ name }) => name === 'body' || name === 'num_scan_inputs'),
    ...nodeAttributes({ scan_input_directions: attributes.ints('directions') }),
  ];
  const outer = create(GraphProtoSchema, {
    name: name('batch', 0),
    input: body.input.map((each, i) => typed(each, inner.input[i])),
    output: body.output.map((each, i) => typed(each, inner.output[i])),
    node: [inner],
  });
  node.input = inputs;
  node.attribute = nodeAttributes({ body: outer, num_scan_inputs: inputs.length });
}

/** A second Scan recomputes the states, which are not kept. */
const scanRule: VjpRule = (c) => {
  const { g, node, inputs, attributes } = c;
  const [body] = subgraphsOf(node);
  const count = attributes.int('num_scan_inputs', 0);
  const states = node.input.length - count;
  if (body === undefined || count < 1 || states < 0 || body.input.length !== node.input.length)
    refuse('its body and its inputs do not fit together.');
  const backward = (name: string, n: number) => {
    const directions = attributes.ints(name);
    return range(n).map((i) => directions?.[i] === 1);
  };
  const initial = inputs.slice(0, states);
  const sequences = inputs.slice(states, node.input.length);
  const sequencesBackward = backward('scan_input_directions', count);
  const { results: before } = scan(
    g,
    {
      states: initial,
      sequences,
      captured: inputs.slice(node.input.length),
      backward: sequencesBackward,
      resultsBackward: initial.map(() => false),
    },
    (s, now, at) => ({ states: doBody(s, body, [...now, ...at]).slice(0, states), results: now }),
  );
  return throughSteps(c, {
    firstInput: 0,
    initial,
    before,
    sequences,
    sequencesBackward,
    resultsBackward: backward('scan_output_directions', body.output.length - states),
    step: (s, now, at) => doBody(s, body, [...now, ...at]),
  });
};

/** Control flow. */
export const control: OpTable = {
  If: {
    chooses: 'subgraphs',
    infer: inferIf,
    as: { read: branch },
    vjp: ifRule,
    isCostly: true,
    vmap: mapIf,
  },
  Loop: { infer: inferLoop, vjp: loopRule, isCostly: true, vmap: mapLoop },
  Scan: {
    infer: inferScan,
    isCostly: true,
    as: { read: alongFirst },
    vjp: scanRule,
    upgrade: alongBatch,
    vmap: mapScan,
  },
};
