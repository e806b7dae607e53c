/**
 * Sequences that a Loop makes, one tensor a step, as torch exports EmbeddingBag and lists of scripted loops.
 *
 * @module
 */
import { clone, create } from '@bufbuild/protobuf';
import { NodeProtoSchema, ValueInfoProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { opKey } from '../ir/domain.ts';
import { readBy, type Value } from '../ir/graph.ts';
import { identityNode, isIdentity, nodeOf } from '../ir/node.ts';
import type { Shape } from '../ir/shape.ts';

/**
 * Replaces a Loop of this graph that makes a sequence, in place: its body returns the members as a result to be stacked, which
 * a SplitToSequence turns into the sequence. A Loop that does more with it, or whose members may differ in shape, stays as it is.
 *
 * @param isFixed - true if the sizes that matter are the same in each step, by the shape of a member
 */
export function stackLoop(g: Builder, list: Value, isFixed: (member: Shape | undefined) => boolean): void {
  const loop = g.makerOf(list);
  // The nodes of an inner graph are being differentiated, one after the other.
  if (loop === undefined || g.inside) return;
  if (isIdentity(loop)) return stackLoop(g, loop.input[0], isFixed);
  if (opKey(loop) !== 'Loop') return;
  const state = loop.output.indexOf(list);
  if (!isEmpty(g, loop.input[state + 2])) return;
  const stacked = g.fresh('stacked');
  const made = stacking(loop, state, stacked);
  if (made === undefined) return;
  // The other outputs keep the symbols of their sizes.
  const before = loop.output.map((output) => [output, g.types.get(output)] as const);
  g.infer(g, made);
  for (const [output, type] of before) if (type !== undefined) g.types.set(output, type);
  if (!isFixed(g.shapeOf(stacked)?.slice(1))) return;
  const split = nodeOf('SplitToSequence', [stacked], [list], { axis: 0, keepdims: 0 });
  g.proto.node.splice(g.proto.node.indexOf(loop), 1, made, split);
}

/** A Loop whose state is a result instead, `stacked`; undefined if its body does more with the state than append to it. */
function stacking(loop: NodeProto, state: number, stacked: Value): NodeProto | undefined {
  const made = clone(NodeProtoSchema, loop);
  const [body] = subgraphsOf(made);
  const insert = insertionIn(body, state);
  if (insert === undefined || state > loop.input.length - 3) return undefined;
  const member = `${stacked}/member`;
  body.node.splice(body.node.indexOf(insert), 1, identityNode(insert.input[1], member));
  body.input.splice(state + 2, 1);
  body.output.splice(state + 1, 1);
  while (made.output.length < body.output.length) made.output.push('');
  body.output.push(create(ValueInfoProtoSchema, { name: member }));
  made.input.splice(state + 2, 1);
  made.output.splice(state, 1);
  made.output.push(stacked);
  return made;
}

/** True for a sequence without members. */
function isEmpty(g: Builder, list: Value): boolean {
  const maker = g.makerOf(list);
  if (maker === undefined) return false;
  return isIdentity(maker) ? isEmpty(g, maker.input[0]) : opKey(maker) === 'SequenceEmpty';
}

/** The node of a Loop's body that appends to a state and does nothing else with it. */
function insertionIn(body: GraphProto, state: number): NodeProto | undefined {
  const from = body.input[state + 2]?.name;
  const to = body.output[state + 1]?.name;
  const insert = body.node.find(({ output }) => output[0] === to);
  if (insert === undefined || opKey(insert) !== 'SequenceInsert') return undefined;
  const reads = (name: string) =>
    body.node.flatMap(readBy).filter((each) => each === name).length +
    body.output.filter((each) => each.name === name).length;
  const isPlain = insert.input[0] === from && !insert.input[2] && insert.input[1] !== from;
  return isPlain && reads(from) === 1 && reads(to) === 1 ? insert : undefined;
}
