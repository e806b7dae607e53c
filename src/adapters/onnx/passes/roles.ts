/**
 * Roles of constant tensors, determined by the inputs of ops that read them.
 *
 * @module
 */

import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import { biasRole, roleNamed, type Op, type Role } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { numbersOf, shapeOf, type TensorProto } from '../ir/tensor.ts';
import { opOf, plainOp, type RoleFacts } from './roleFacts.ts';

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
  return follow(tensor.name, []);

  function follow(name: string, path: readonly NodeProto[]): Found | NoRole {
    let against = 'a constant, not used as a weight';
    for (const [node, i] of readers.get(name) ?? []) {
      if (
        i === 0 &&
        opOf(node)?.carries &&
        path.length < LONGEST_PATH &&
        !facts.learned.has(node.output[0])
      ) {
        for (const output of node.output) {
          const found = follow(output, [...path, node]);
          if (!('against' in found)) return found;
          against = found.against;
        }
        continue;
      }
      if (opOf(node)?.carries === 'joined' && path.length < LONGEST_PATH) {
        if (isToken(node, tensor, facts)) return { ...tokenRole, why: `token of ${titleOf(node)}` };
        const found = follow(node.output[0], [...path, node]);
        if (!('against' in found)) return found;
      }
      const found = turns(node.output[0], readers)
        ? frequencies
        : facts.computed.has(node.output[0])
          ? ofComputed(node, path)
          : direct(node, i, tensor, facts);
      if (found !== undefined && !('against' in found)) return through(found, path, tensor);
      against = found?.against ?? against;
    }
    return { against };
  }

  /** Returns the role of a tensor from which a node computes a layer's weight. */
  function ofComputed(node: NodeProto, path: readonly NodeProto[]): Found | NoRole | undefined {
    const { operand, isElementwise } = opOf(node) ?? {};
    const wide = shapeOf(tensor).filter((size) => size !== 1).length;
    if (operand === undefined && !isElementwise)
      return wide < 2 ? ofComputation : direct(node, node.input.indexOf(tensor.name), tensor, facts);
    if (wide === 0) return { against: 'a single number in arithmetic' };
    if (isMask(tensor)) return { against: 'a mask: it holds only zeros and ones' };
    if (path.length >= LONGEST_PATH) return undefined;
    const found = follow(node.output[0], [...path, node]);
    if ('against' in found) return found;
    if (found.kind !== 'weight') return { against: 'computed into a value that is no weight of a layer' };
    const why = found.why.endsWith(ofIt) ? found.why : `${found.why}${ofIt}`;
    return { kind: 'weight', name: 'weight', why };
  }
}

const ofIt = ', which is computed from it';

const tokenRole: Role = { kind: 'other', name: 'token' };

/**
 * True if a tensor is a position of its own in a sequence that layers compute, such as the class token of a vision
 * transformer: one vector of features, joined along another axis. Zeros may as well be padding.
 */
function isToken(node: NodeProto, tensor: TensorProto, { learned }: RoleFacts): boolean {
  const shape = shapeOf(tensor);
  const axis = attributesOf(node).int('axis', 0);
  const isVector = shape.filter((size) => size !== 1).length === 1 && shape.at(-1) !== 1;
  const isApart = axis !== -1 && (shape.length === 1 || axis !== shape.length - 1);
  const isZero = numbersOf(tensor).every((value) => value === 0);
  return isVector && isApart && !isZero && node.input.some((input) => learned.has(input));
}

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

/** Returns the role of input i of a node; undefined if it has none. */
function direct(
  node: NodeProto,
  i: number,
  tensor: TensorProto,
  { learned, singles, scales }: RoleFacts,
): Found | NoRole | undefined {
  const { roles, operand, quantizers } = opOf(node) ?? {};
  if (quantizers?.includes(i)) return ofQuantization;
  const rank = tensor.dims.length;
  const where = (role: Role): Found => ({
    ...role,
    why: `${role.name} of ${titleOf(node)}`,
  });
  if (operand === undefined) {
    const role = typeof roles === 'function' ? roles(i, attributesOf(node), rank) : roles?.[i];
    return role && where(role);
  }
  const other = node.input[1 - i];
  if (scales.has(other)) return ofQuantization;
  if (!learned.has(other)) return { against: 'applied before any layer: part of the preprocessing' };
  // A scalar has no axis; the bias of a single unit has one.
  const single = rank > 0 && shapeOf(tensor).every((size) => size === 1) && singles.has(other);
  const role = operand === 'added' && single ? biasRole : operandRole(operand, tensor);
  return 'against' in role ? role : where(role);
}

/** Returns the role of a constant operand of arithmetic after a layer. */
function operandRole(operand: NonNullable<Op['operand']>, tensor: TensorProto): Role | NoRole {
  const wide = shapeOf(tensor).filter((size) => size !== 1).length;
  if (wide === 0) return { against: 'a single number in arithmetic' };
  if (numbersOf(tensor).some((value) => !(Math.abs(value) < 1e4)))
    return { against: 'looks like a mask: it has values beyond ±1e4' };
  if (operand === 'divisor') return { against: 'a constant divisor' };
  if (operand !== 'factor') return wide === 1 ? biasRole : roleNamed('offset', 'other');
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
