/**
 * Roles of constant tensors, determined by the inputs of ops that read them.
 *
 * @module
 */

import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import { biasRole, roleNamed, stateRole, type Op, type Role } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { firstOf, numbersOf, shapeOf, type TensorProto } from '../ir/tensor.ts';
import { opOf, plainOp, scatters, type RoleFacts } from './roleFacts.ts';

/** Most nodes through which a tensor is followed. */
const LONGEST_PATH = 16;

/** A node that reads a value, and the index of the input. */
export type Reader = readonly [NodeProto, number];

/** The readers of each value. */
export type Readers = ReadonlyMap<string, readonly Reader[]>;

/** A role, and the node that gives it to a tensor. */
export interface Found extends Role {
  readonly why: string;
}

/** The reason why a tensor is not a parameter, as a short phrase. */
export interface NoRole {
  readonly against: string;
}

/** Returns the role of a tensor, followed through ops that only move it. */
export function findRole(tensor: TensorProto, readers: Readers, facts: RoleFacts): Found | NoRole {
  const known = Object.assign({}, facts, { readers });
  return follow(tensor.name, []);

  function follow(name: string, path: readonly NodeProto[]): Found | NoRole {
    let against = 'a constant, not used as a weight';
    for (const [node, i] of readers.get(name) ?? []) {
      const { carries } = opOf(node) ?? {};
      // Only tables of positions are resized among constants.
      const moves = (carries && carries !== 'joined') || plainOp(node) === 'Resize';
      if (i === 0 && moves && path.length < LONGEST_PATH) {
        for (const output of node.output) {
          const found = follow(output, [...path, node]);
          if (!('against' in found)) return found;
          against = found.against;
        }
        continue;
      }
      if (carries === 'joined' && path.length < LONGEST_PATH) {
        if (isToken(node, tensor, facts)) return roleIn(node, tokenRole);
        const found = joins(node, tensor, facts) ? follow(node.output[0], [...path, node]) : undefined;
        if (found && !('against' in found)) return found;
      }
      const found = turns(node.output[0], readers)
        ? frequencies
        : facts.computed.has(node.output[0])
          ? ofComputed(node, i, path)
          : direct(node, i, tensor, known);
      if (found !== undefined && !('against' in found)) return through(found, path, tensor);
      against = found?.against ?? against;
    }
    return { against };
  }

  /** Returns the role of a tensor from which a node computes a layer's weight. */
  function ofComputed(node: NodeProto, i: number, path: readonly NodeProto[]): Found | NoRole | undefined {
    const { operand, isElementwise, product, keepsInRange, clamps } = opOf(node) ?? {};
    const wide = shapeOf(tensor).filter((size) => size !== 1).length;
    if (keepsInRange) return roleIn(node, argumentRole);
    const isSet = i === 0 && scatters.test(plainOp(node));
    const isCut = i === 0 && plainOp(node) === 'Trilu';
    if (operand === undefined && !isElementwise && !isSet && !isCut) {
      const role = wide < 2 && !product ? undefined : direct(node, i, tensor, known);
      const isOwn = role !== undefined && (wide > 1 || ('kind' in role && role.kind === 'bias'));
      return isOwn ? role : wide < 2 ? ofComputation : undefined;
    }
    if (clamps && i > 0) return { against: 'a bound' };
    if (operand === 'divisor' && i === 1) return divisor;
    if (wide === 0 && !clamps) return { against: 'a single number in arithmetic' };
    if (isMask(tensor)) return { against: 'a mask: it holds only zeros and ones' };
    if (path.length >= LONGEST_PATH) return undefined;
    const found = follow(node.output[0], [...path, node]);
    if ('against' in found) {
      const isBias =
        operand === 'added' &&
        (found.against === ofComputation.against || isProduct(node.input[1 - i], facts));
      return isBias ? roleIn(node, biasRole) : found;
    }
    if (isSet || (clamps && found.name === argumentRole.name)) return found;
    if (found.kind !== 'weight') return { against: 'computed into a value that is no weight of a layer' };
    const why = found.why.endsWith(ofIt) ? found.why : `${found.why}${ofIt}`;
    return { kind: 'weight', name: 'weight', why };
  }
}

/** True for a product that the graph computes, of matrices or by a convolution. */
function isProduct(value: string, { makers }: RoleFacts): boolean {
  const maker = makers.get(value);
  return maker !== undefined && opOf(maker)?.product !== undefined;
}

const argumentRole: Role = { kind: 'other', name: 'argument' };

const ofIt = ', which is computed from it';

const tokenRole: Role = { kind: 'other', name: 'token' };

/**
 * True if a tensor is a position of its own in a sequence that layers compute, such as the class token of a vision
 * transformer: one vector of features, joined along another axis. Zeros may as well be padding.
 */
function isToken(node: NodeProto, tensor: TensorProto, facts: RoleFacts): boolean {
  const shape = shapeOf(tensor);
  const isVector = shape.filter((size) => size !== 1).length === 1 && shape.at(-1) !== 1;
  const isZero = numbersOf(tensor).every((value) => value === 0);
  return isVector && !isZero && joinsPositions(node, tensor, facts);
}

/** True if a tensor is joined with values of layers along another axis than that of the features. */
function joinsPositions(node: NodeProto, { dims }: TensorProto, { learned }: RoleFacts): boolean {
  const axis = attributesOf(node).int('axis', 0);
  const isApart = axis !== -1 && (dims.length === 1 || axis !== dims.length - 1);
  return isApart && node.input.some((input) => learned.has(input));
}

/** True if a tensor that is joined with others may be part of a weight: columns beside the data are features. */
const joins = (node: NodeProto, tensor: TensorProto, facts: RoleFacts): boolean =>
  facts.computed.has(node.output[0]) || joinsPositions(node, tensor, facts);

const divisor: NoRole = { against: 'a constant divisor' };

const ofComputation: NoRole = { against: 'part of the computation of a weight' };

/** True if a tensor holds only zeros and ones. */
const isMask = (tensor: TensorProto): boolean =>
  numbersOf(tensor).every((value) => value === 0 || value === 1);

const frequencies: NoRole = { against: 'frequencies of a position encoding' };

/** True if a value is read, apart from ops that only move it, by Sin and Cos and nothing else: it is an angle. */
function turns(value: string, readers: Readers): boolean {
  const found = new Set<Op['ofAngle']>();
  const visit = (name: string, depth: number): void => {
    for (const [node] of readers.get(name) ?? []) {
      if (opOf(node)?.carries && depth < LONGEST_PATH) visit(node.output[0], depth + 1);
      else found.add(opOf(node)?.ofAngle);
    }
  };
  visit(value, 0);
  return found.size === 2 && !found.has(undefined);
}

const ofQuantization: NoRole = { against: 'part of the quantization of weights' };

const titleOf = (node: NodeProto): string =>
  `${plainOp(node)} ${JSON.stringify(node.name || node.output[0])}`;

const roleIn = (node: NodeProto, role: Role): Found => ({
  ...role,
  why: `${role.name} of ${titleOf(node)}`,
});

/** Returns the role of input i of a node; undefined if it has none. */
function direct(
  node: NodeProto,
  i: number,
  tensor: TensorProto,
  { learned, singles, scales, makers, readers }: RoleFacts & { readonly readers: Readers },
): Found | NoRole | undefined {
  const { roles, operand, quantizers } = opOf(node) ?? {};
  if (quantizers?.includes(i)) return ofQuantization;
  const rank = tensor.dims.length;
  const where = (role: Role): Found => roleIn(node, role);
  if (operand === undefined) {
    const role = typeof roles === 'function' ? roles(i, attributesOf(node), rank) : roles?.[i];
    if (role?.kind === 'embedding' && isSinusoidal(tensor)) return sinusoidal;
    if (role === stateRole && numbersOf(tensor).every((value) => value === 0)) return zeroState;
    return role && where(role);
  }
  const other = node.input[1 - i];
  if (scales.has(other)) return ofQuantization;
  if (!learned.has(other)) return { against: 'applied before any layer: part of the preprocessing' };
  // A scalar has no axis; the bias of a single unit has one.
  const single = rank > 0 && shapeOf(tensor).every((size) => size === 1) && singles.has(other);
  if (operand === 'factor' && isByRow(tensor, makers.get(other))) return { against: 'a factor for each row' };
  if (operand === 'factor' && isRate(node, tensor, readers)) return where(roleNamed('rates', 'weight'));
  const role = operand === 'added' && single ? biasRole : operandRole(operand, tensor);
  return 'against' in role ? role : where(role);
}

/** True if a factor weighs the rows that a node looks up in a table: a column, as long as the list of indices. */
function isByRow({ dims }: TensorProto, maker: NodeProto | undefined): boolean {
  return dims.length === 2 && dims[1] === 1n && maker !== undefined && opOf(maker)?.looksUp === true;
}

/** True if products with a tensor of several axes, all negative, are read by Exp alone: rates of decay, as of a state space. */
function isRate(node: NodeProto, tensor: TensorProto, readers: Readers): boolean {
  if (shapeOf(tensor).filter((size) => size !== 1).length < 2) return false;
  const after = readers.get(node.output[0]) ?? [];
  return (
    after.length > 0 &&
    after.every(([reader]) => plainOp(reader) === 'Exp') &&
    numbersOf(tensor).every((value) => value < 0)
  );
}

const zeroState: NoRole = { against: 'a state of zeros' };

const sinusoidal: NoRole = { against: 'a table of sines and cosines' };

const isOne = (a: number, b: number): boolean => Math.abs(a * a + b * b - 1) < 1e-3;

/** True if each row of a table, of several rows, holds the sines and cosines of the same angles: side by side, or in halves. */
function isSinusoidal(tensor: TensorProto): boolean {
  const sizes = shapeOf(tensor).filter((size) => size !== 1);
  if (sizes.length !== 2 || sizes[1] % 2 === 1) return false;
  const [, width] = sizes;
  // A few rows tell.
  const table = numbersOf(firstOf(tensor, width * Math.min(sizes[0], 8)));
  const pairs = (first: (i: number) => number, step: number) =>
    table.every((_, at) => {
      const i = at % width;
      return i >= width / 2 || isOne(table[at - i + first(i)], table[at - i + first(i) + step]);
    });
  return pairs((i) => 2 * i, 1) || pairs((i) => i, width / 2);
}

/** Returns the role of a constant operand of arithmetic after a layer. */
function operandRole(operand: NonNullable<Op['operand']>, tensor: TensorProto): Role | NoRole {
  const wide = shapeOf(tensor).filter((size) => size !== 1).length;
  if (wide === 0) return { against: 'a single number in arithmetic' };
  if (numbersOf(tensor).some((value) => !(Math.abs(value) < 1e4)))
    return { against: 'looks like a mask: it has values beyond ±1e4' };
  if (operand === 'divisor') return divisor;
  if (operand !== 'factor' && wide > 1)
    return isSinusoidal(tensor) ? sinusoidal : roleNamed('offset', 'other');
  if (operand !== 'factor') return biasRole;
  return wide === 1
    ? roleNamed('scale', 'norm')
    : { against: 'a constant factor of several axes, as of a position encoding' };
}

/** Adapts a role to the ops between its node and the tensor: filter axes survive only transposition. */
function through(found: Found, path: readonly NodeProto[], tensor: TensorProto): Found {
  const { kind, name, filterAxes, why } = found;
  const moves = path.filter((node) => opOf(node)?.carries !== 'all');
  const transposed = moves.every((node) => opOf(node)?.permutesAxes);
  // The gates of a recurrent layer may be cut apart and stacked again; the rows of a matrix are still units.
  const stacked = filterAxes?.length === 2 && tensor.dims.length === 2 ? [0] : undefined;
  const axes = transposed
    ? moves.reduceRight<readonly number[] | undefined>((axes, node) => {
        const perm = attributesOf(node).ints('perm') ?? range(tensor.dims.length).toReversed();
        return axes?.map((axis) => perm[axisFrom(axis, perm.length)]);
      }, filterAxes)
    : stacked;
  return { kind, name, why, ...(axes && { filterAxes: axes }) };
}
