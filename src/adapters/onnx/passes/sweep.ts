import type { NodeProto } from 'onnx-buf';
import { faultOf, Refusal, refuse, sentence, type Fault } from '../ir/errors.ts';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { readBy, type Value } from '../ir/graph.ts';
import type { Shape } from '../ir/shape.ts';
import { DType, isContinuous, isNarrow } from '../ir/tensor.ts';
import { opKey } from '../ir/domain.ts';
import type { Lowering } from '../ir/op.ts';
import type { Platform } from '../ir/platform.ts';
import type { Cotangents, VjpContext, VjpRule } from '../ir/vjp.ts';
import { decompositionOf, opOf, ruleOf } from '../ops/index.ts';

/** The result of a reverse sweep. */
export interface Sweep {
  /** Gradient of the loss with respect to each value of `wrt` that it depends on. */
  readonly gradients: ReadonlyMap<Value, Value>;
  /** Faults of nodes that have no rule, or whose rule refused them. */
  readonly faults: readonly Fault[];
}

/**
 * Appends the gradient of a scalar to its graph, by reverse-mode differentiation: each node on a path from `wrt` to the
 * loss passes the cotangents of its outputs on to its inputs.
 *
 * @param loss - a scalar of the graph
 * @param wrt - float values of the graph
 */
export const sweep = (g: Builder, loss: Value, wrt: readonly Value[], platform: Platform = 'cpu'): Sweep =>
  pullBack(g, [[loss, g.filled(g.shape(loss), 1, g.dtypeOf(loss))]], wrt, platform);

/**
 * As {@link sweep}, starting from the cotangents of any values.
 *
 * @param seeds - values and their cotangents; those of one value add up
 * @param nodes - part of the graph to go through
 */
function pullBack(
  g: Builder,
  seeds: readonly (readonly [Value, Value])[],
  wrt: readonly Value[],
  platform: Platform,
  nodes: readonly NodeProto[] = [...g.proto.node],
): Sweep {
  const active = reachedFrom(g, nodes, new Set(wrt));
  const ends = seeds.map(([value]) => value);
  const needed = reaching(nodes, active, ends);
  const cotangents = new Map<Value, Value[]>();
  const arrive = (value: Value, cotangent: Value) => {
    const known = cotangents.get(value);
    if (known) known.push(cotangent);
    else cotangents.set(value, [cotangent]);
  };
  for (const [value, cotangent] of seeds) arrive(value, cotangent);
  const faults: Fault[] = [];

  for (const node of nodes.toReversed()) {
    const arrived = node.output.map((output) => totalOf(g, cotangents.get(output)));
    const inputs = readBy(node);
    const wanted = inputs.map((input) => needed.has(input));
    if (!arrived.some(Boolean) || !wanted.some(Boolean)) continue;
    let found: Cotangents;
    try {
      found = cotangentsOf(g, node, inputs, arrived, wanted, platform);
    } catch (error) {
      faults.push(faultOf(node, error));
      // Continue with zeros, to find the faults of earlier nodes too; the result is not used.
      found = inputs.map((input, i) => wanted[i] && g.zerosLike(input));
    }
    inputs.forEach((input, i) => {
      const cotangent = found[i];
      if (cotangent && wanted[i]) arrive(input, cotangent);
    });
  }
  const gradients = new Map<Value, Value>();
  for (const name of wrt) {
    const total = totalOf(g, cotangents.get(name));
    if (total !== undefined) gradients.set(name, total);
  }
  return { gradients, faults };
}

/** Returns the nodes on paths from the values `wrt` to the loss. */
export function nodesBetween(g: Builder, wrt: readonly Value[], loss: Value): NodeProto[] {
  const nodes = [...g.proto.node];
  const needed = reaching(nodes, reachedFrom(g, nodes, new Set(wrt)), [loss]);
  return nodes.filter(
    (node) =>
      node.output.some((output) => needed.has(output)) && readBy(node).some((input) => needed.has(input)),
  );
}

/** True for types of integers that represent real numbers, or sums of their products. */
const isQuantized = (dtype: DType | undefined): boolean => isNarrow(dtype) || dtype === DType.INT32;

/** True for integers that have a derivative by the straight-through estimator. */
const standsForReal = (
  g: Builder,
  value: Value,
  integers: readonly number[] | undefined,
  i: number,
): boolean => isQuantized(g.dtypeOf(value)) && (integers?.includes(i) ?? false);

/** Returns the values that depend on `sources` along paths that derivatives can follow. */
function reachedFrom(
  g: Builder,
  nodes: readonly NodeProto[],
  sources: ReadonlySet<Value>,
): ReadonlySet<Value> {
  const active = new Set(sources);
  for (const node of nodes) {
    const read = readBy(node).filter((input) => active.has(input));
    if (read.length === 0) continue;
    const fromIntegers = read.some((input) => isQuantized(g.dtypeOf(input)));
    const { inputs, outputs } = opOf(node)?.integers ?? {};
    const quantizes = outputs !== undefined && inputs === undefined;
    node.output.forEach((output, k) => {
      const dtype = g.dtypeOf(output);
      // A derivative passes through integers that represent real numbers, or is refused, but does not end there.
      const listed = outputs?.includes(k) ?? false;
      const isReal = isContinuous(dtype) || ((fromIntegers || listed) && isQuantized(dtype));
      const isFollowed = quantizes ? listed : isReal;
      if (output !== '' && isFollowed) active.add(output);
    });
  }
  return active;
}

/** Returns the values of `active` that one of `ends` depends on. */
function reaching(
  nodes: readonly NodeProto[],
  active: ReadonlySet<Value>,
  ends: readonly Value[],
): ReadonlySet<Value> {
  const needed = new Set(ends.filter((end) => active.has(end)));
  for (const node of nodes.toReversed()) {
    if (!node.output.some((output) => needed.has(output))) continue;
    for (const name of readBy(node)) if (active.has(name)) needed.add(name);
  }
  return needed;
}

function totalOf(g: Builder, terms: readonly Value[] | undefined): Value | undefined {
  if (terms === undefined || terms.length < 2) return terms?.[0];
  const [first, second, ...others] = terms;
  return others.length === 0 ? g.add(first, second) : g.addAll(first, second, ...others);
}

/** Refuses a node that cannot run: ONNX Runtime may end the process on a graph that contains its gradient. */
function refuseNegativeSizes(g: Builder, { input, output }: NodeProto): void {
  const isImpossible = (name: Value) =>
    g.shapeOf(name)?.some((size) => typeof size === 'number' && size < 0) ?? false;
  const first = output.find(isImpossible);
  // The first such node is the one to name.
  if (first === undefined || input.some(isImpossible)) return;
  refuse(
    `its result would have the shape [${g.shapeOf(first)?.join(', ')}]; is a window larger than its image?`,
  );
}

function cotangentsOf(
  g: Builder,
  node: NodeProto,
  inputs: readonly Value[],
  dys: readonly (Value | undefined)[],
  wanted: readonly boolean[],
  platform: Platform,
): Cotangents {
  refuseNegativeSizes(g, node);
  const rule = ruleOf(opKey(node)) ?? throughSimplerOps(decompositionOf(opKey(node)) ?? refuse(noRule(node)));
  const integers = opOf(node)?.integers;
  node.output.forEach((y, k) => dys[k] && !standsForReal(g, y, integers?.outputs, k) && g.floatTypeOf(y));
  inputs.forEach((x, i) => wanted[i] && !standsForReal(g, x, integers?.inputs, i) && g.floatTypeOf(x));
  const context: VjpContext = {
    g,
    node,
    attributes: attributesOf(node),
    inputs,
    outputs: node.output,
    dys,
    get dy() {
      return dys[0] ?? g.zerosLike(node.output[0]);
    },
    needs: (i) => wanted[i] ?? false,
    platform,
    within(body, seeds, wrt) {
      const { gradients, faults } = pullBack(body, seeds, wrt, platform);
      if (faults.length > 0) throw new Refusal(`in its subgraph, ${faults.map(sentence).join('; ')}`);
      return gradients;
    },
  };
  const found = rule(context);
  const missing = found.length === 0 ? -1 : wanted.findIndex((want, i) => want && i >= found.length);
  if (missing >= 0)
    throw new Refusal(
      `it has no rule for the gradient of its input ${missing}, ${JSON.stringify(inputs[missing])}, which depends on what is differentiated by.`,
    );
  found.forEach((cotangent, i) => cotangent && wanted[i] && checkShape(g, cotangent, inputs[i]));
  return found;
}

/** Makes the rule of an op without its own: appends its simpler ops in addition to the node, and differentiates these. */
const throughSimplerOps =
  (lowering: Lowering): VjpRule =>
  ({ g, node, attributes, inputs, dys, needs, platform }) => {
    const before = g.proto.node.length;
    const values = lowering(g, node, attributes) ?? refuse(noRule(node));
    const seeds = values.flatMap((value, k): [Value, Value][] => {
      const dy = dys[k];
      return value === undefined || dy === undefined ? [] : [[value, dy]];
    });
    if (dys.some((dy, k) => dy !== undefined && values[k] === undefined))
      refuse('one of its outputs has no rule.');
    const wrt = inputs.filter((input, i) => needs(i) && inputs.indexOf(input) === i);
    const { gradients, faults } = pullBack(g, seeds, wrt, platform, g.proto.node.slice(before));
    if (faults.length > 0) refuse(`in its simpler ops, ${faults.map(sentence).join('; ')}`);
    return inputs.map((input, i) => (inputs.indexOf(input) === i ? gradients.get(input) : undefined));
  };

/** Returns the reason for an op without a rule. ONNX Runtime's optimizer inserts ops that cannot always be undone. */
const noRule = ({ domain }: NodeProto): string =>
  domain.startsWith('com.microsoft')
    ? "no rule for its gradient: it is an op of ONNX Runtime's own. Train the model from before it was optimized or quantized, or optimize it only to the level 'basic' or 'extended'; registerVjp adds a rule."
    : 'no rule for its gradient; registerVjp adds one.';

const show = (shape: Shape) => `[${shape.join(', ')}]`;

/** Refuses a cotangent whose shape differs from its value's, which would be a wrong gradient. */
function checkShape(g: Builder, cotangent: Value, input: Value): void {
  const [got, must] = [g.shapeOf(cotangent), g.shapeOf(input)];
  const fits =
    got === undefined ||
    must === undefined ||
    (got.length === must.length &&
      got.every((size, i) => size === must[i] || typeof size === 'string' || typeof must[i] === 'string'));
  if (!fits)
    throw new Refusal(
      `its rule gives a cotangent of shape ${show(got)} for ${JSON.stringify(input)} of shape ${show(must)}: either its inputs do not fit together, and ONNX Runtime does not load the file either, or the rule is wrong.`,
    );
}
