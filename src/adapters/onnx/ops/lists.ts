/**
 * Sequences of tensors whose members are known before the model runs, as exporters of PyTorch write them.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { opKey } from '../ir/domain.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { isIdentity } from '../ir/node.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { axisFrom, isStatic, range, type Dimension } from '../ir/shape.ts';
import { stackLoop } from './loopLists.ts';

/** The node that makes a sequence, past those that only rename it. */
function makerOf(g: Builder, list: Value): NodeProto {
  const maker = g.makerOf(list) ?? refuse('its sequence is an input of the model, or made in another graph.');
  return isIdentity(maker) ? makerOf(g, maker.input[0]) : maker;
}

/** A position in a sequence, a constant. */
const positionIn = (g: Builder, position: Value): number =>
  g.integersOf(position)?.[0] ?? refuse('its position in the sequence is not known before the model runs.');

/** True for a SplitToSequence whose parts lack the axis along which it splits. */
const dropsAxis = (node: NodeProto): boolean => !node.input[1] && attributesOf(node).int('keepdims', 1) === 0;

/** Returns the sizes of the parts that a SplitToSequence node makes, and functions that cut them out. */
function splitOf(g: Builder, node: NodeProto) {
  const [x, split] = node.input;
  const attributes = attributesOf(node);
  const axis = axisFrom(attributes.int('axis', 0), g.rank(x));
  const size = g.shapeOf(x)?.[axis];
  const given = split ? g.integersOf(split) : [1];
  if (given === undefined) refuse('the sizes of its parts are not known before the model runs.');
  const each = split === undefined || split === '' || g.rank(split) === 0;
  const [step] = given;
  if (each && !(step > 0)) refuse(`parts of ${step} elements are not possible.`);
  const drops = dropsAxis(node);
  const part = (start: number, end: number): Value => {
    const slice = g.slice(x, start, end, axis);
    return drops ? g.squeeze(slice, [axis]) : slice;
  };
  /** One element along the axis: ONNX Runtime fails to squeeze the axis if it is not there. */
  const element = (at: number): Value => {
    const squeezed = g.squeeze(g.slice(x, at, at === -1 ? 2 ** 31 - 1 : at + 1, axis), [axis]);
    return drops ? squeezed : g.unsqueeze(squeezed, [axis]);
  };
  return { size, given, each, step, axis, part, element };
}

/** Parts of a tensor along an axis, as SplitToSequence makes them. */
function partsOf(g: Builder, node: NodeProto): Value[] {
  const { size, given, each, step, part } = splitOf(g, node);
  if (each && typeof size !== 'number') refuse('the number of its parts is not known before the model runs.');
  const sizes = each
    ? range(Math.ceil(Number(size) / step)).map((i) => Math.min(step, Number(size) - i * step))
    : given;
  let start = 0;
  return sizes.map((length) => part(start, (start += length)));
}

/**
 * A part by its position, where their number is not known; undefined if it is, or if the part depends on it. The graph fails to
 * run if there is no such part.
 */
function partAt(g: Builder, node: NodeProto, position: number): Value | undefined {
  const { size, each, step, axis, part, element } = splitOf(g, node);
  if (!each || typeof size === 'number' || (position < 0 && step > 1)) return undefined;
  const start = position * step;
  return step === 1 ? element(start) : g.concat([element(start), part(start + 1, start + step)], axis);
}

/** The members of a sequence. */
function membersOf(g: Builder, list: Value): readonly Value[] {
  const node = makerOf(g, list);
  const op = opKey(node);
  const at = (members: readonly Value[], position: Value | undefined, end: number) => {
    if (!position) return end;
    const given = positionIn(g, position);
    const index = given < 0 ? given + members.length : given;
    if (!(index >= 0 && index <= members.length)) refuse(`the sequence has no position ${given}.`);
    return index;
  };
  if (op === 'SequenceConstruct') return node.input;
  if (op === 'SequenceEmpty') return [];
  if (op === 'SplitToSequence') return partsOf(g, node);
  if (op === 'SequenceInsert') {
    const members = membersOf(g, node.input[0]);
    return members.toSpliced(at(members, node.input[2], members.length), 0, node.input[1]);
  }
  if (op === 'SequenceErase') {
    const members = membersOf(g, node.input[0]);
    return members.toSpliced(at(members, node.input[1], members.length - 1), 1);
  }
  return refuse(`its sequence is made by ${op}, whose members are not known before the model runs.`);
}

/** True if a sequence is made in this graph by nodes that are understood here; otherwise nodes are left as they are. */
function isKnown(g: Builder, list: Value): boolean {
  const maker = g.makerOf(list);
  if (maker === undefined) return false;
  if (isIdentity(maker) || /Sequence(Insert|Erase)$/.test(opKey(maker))) return isKnown(g, maker.input[0]);
  return /^(SequenceConstruct|SequenceEmpty|SplitToSequence)$/.test(opKey(maker));
}

/** A part of one element by a position that only run time tells; undefined if the sequence is made in another way. */
function elementLater(g: Builder, node: NodeProto, position: Value): Value[] | undefined {
  if (opKey(node) !== 'SplitToSequence') return undefined;
  const { each, step, axis } = splitOf(g, node);
  if (!each || step !== 1) return undefined;
  const element = g.gather(node.input[0], g.reshape(position, []), axis);
  return [g.identity(dropsAxis(node) ? element : g.unsqueeze(element, [axis]))];
}

const elementAt: Lowering = (g, { input: [list, position] }) => {
  stackLoop(g, list, isStatic);
  if (!isKnown(g, list)) return undefined;
  const maker = makerOf(g, list);
  if (g.integersOf(position) === undefined) return elementLater(g, maker, position);
  const index = positionIn(g, position);
  const part = opKey(maker) === 'SplitToSequence' ? partAt(g, maker, index) : undefined;
  if (part !== undefined) return [g.identity(part)];
  const members = membersOf(g, list);
  const member = members.at(index) ?? refuse(`the sequence has ${members.length} members, none at ${index}.`);
  return [g.identity(member)];
};

/**
 * All parts of a split whose number is not known, joined along an axis; undefined if it is, or if they are longer than one
 * element. ONNX Runtime fails to join no parts at all; here, none give an empty tensor.
 */
function joined(g: Builder, node: NodeProto, to: number, isNew: boolean): Value | undefined {
  const { size, each, step, axis } = splitOf(g, node);
  if (!each || step !== 1 || typeof size === 'number') return undefined;
  const [x] = node.input;
  if (!dropsAxis(node)) return isNew || axisFrom(to, g.rank(x)) !== axis ? undefined : g.identity(x);
  const rank = g.rank(x);
  const at = axisFrom(to, isNew ? rank : rank - 1);
  const others = range(rank).filter((i) => i !== axis);
  const parts = g.transpose(x, others.toSpliced(at, 0, axis));
  if (isNew) return g.identity(parts);
  if (g.shapeOf(parts)?.[at + 1] === 1) return g.squeeze(parts, [at + 1]);
  const [before, after] = [range(at), range(rank - at - 2, at + 2)].map((axes) => g.sizes(parts, axes));
  return g.reshapeTo(parts, g.concat([before, g.integers([-1]), after], 0));
}

/** True for a size that is the same in each step of a Loop. */
const isFixed = (size: Dimension | undefined): boolean => typeof size === 'number';

const concatenated: Lowering = (g, { input: [list] }, attributes) => {
  const [to, isNew] = [attributes.int('axis', 0), attributes.int('new_axis', 0) === 1];
  stackLoop(g, list, (member) => isNew || isFixed(member?.at(to)));
  if (!isKnown(g, list)) return undefined;
  const maker = makerOf(g, list);
  const whole = opKey(maker) === 'SplitToSequence' ? joined(g, maker, to, isNew) : undefined;
  if (whole !== undefined) return [whole];
  const members = membersOf(g, list);
  if (members.length === 0) refuse('its sequence is empty.');
  return [g.identity(isNew ? g.stack(members, to) : g.concat(members, to))];
};

const lengthOf: Lowering = (g, { input: [list] }) => {
  stackLoop(g, list, isStatic);
  return isKnown(g, list) ? [g.identity(g.scalar(membersOf(g, list).length, 7))] : undefined;
};

/** A sequence has no type of its own here: messages then tell that gradients do not pass through it. */
const made = { infer: () => [{}] };

/** Ops that make and read sequences. */
export const lists: OpTable = {
  SequenceConstruct: made,
  SequenceInsert: made,
  SequenceErase: made,
  SequenceAt: { as: { read: elementAt } },
  ConcatFromSequence: { as: { read: concatenated } },
  SequenceLength: { infer: () => [{ dtype: 7, shape: [] }], as: { read: lengthOf } },
};
