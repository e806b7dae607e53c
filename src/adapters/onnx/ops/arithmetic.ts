import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { ContentRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Op, OpTable } from '../ir/op.ts';
import { productOf, range, unknownDimension, type Dimension } from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { booleanType, broadcastSamples, broadcastType } from './common.ts';

/** The cotangent of one input of a broadcasting op, in the shape of the result; it is then summed to the input's. */
type Share = (g: Builder, inputs: readonly Value[], y: Value, dy: Value) => Value | undefined;

/** Makes a rule from one {@link Share} for each input. */
const broadcasting =
  (...shares: readonly (Share | undefined)[]): VjpRule =>
  ({ g, inputs, outputs, dy, needs }) =>
    inputs.map((input, i) => {
      const share = needs(i) ? shares[i]?.(g, inputs, outputs[0], dy) : undefined;
      return share && g.sumTo(share, input);
    });

const sum: VjpRule = ({ g, inputs, dy, needs }) => inputs.map((input, i) => needs(i) && g.sumTo(dy, input));

/** The cotangent goes to the input that the result came from; ties share it equally. */
const extremum: VjpRule = ({ g, inputs, outputs: [y], dy, needs }) => {
  const chosen = inputs.map((input) => g.mask(g.equal(input, y), y));
  const [first, ...others] = chosen;
  const share = inputs.length === 1 ? dy : g.div(dy, g.add(first, ...others));
  return inputs.map((input, i) => needs(i) && g.sumTo(g.mul(share, chosen[i]), input));
};

/** d(aᵇ)/da = b·aᵇ⁻¹, without 0·∞ if b is the constant 0, 1, 2 or 3. */
function powerOfBase(g: Builder, a: Value, b: Value, dy: Value): Value {
  const exponent = g.scalarOf(b);
  if (exponent === 0) return g.mul(dy, g.zerosLike(a));
  if (exponent === 1) return g.mul(dy, g.filled(g.shape(a), 1, g.dtypeOf(a)));
  if (exponent === 2) return g.mul(dy, 2, a);
  if (exponent === 3) return g.mul(dy, 3, g.square(a));
  if (exponent !== undefined) return g.mul(dy, exponent, g.pow(a, exponent - 1));
  const e = g.cast(b, g.floatTypeOf(a));
  return g.mul(dy, g.where(g.equal(e, 0), 0, g.mul(e, g.pow(a, g.sub(e, 1)))));
}

/** d(aᵇ)/db = aᵇ·log a, taken as 0 where a is 0. */
function powerOfExponent(g: Builder, a: Value, y: Value, dy: Value): Value {
  const zero = g.equal(a, 0);
  return g.mul(dy, g.where(zero, 0, g.mul(y, g.log(g.where(zero, 1, a)))));
}

const pow: VjpRule = ({ g, inputs: [a, b], outputs: [y], dy, needs }) => [
  needs(0) && g.sumTo(powerOfBase(g, a, b, dy), a),
  needs(1) && g.sumTo(powerOfExponent(g, a, y, dy), b),
];

const where: VjpRule = ({ g, inputs: [condition, a, b], dy, needs }) => [
  undefined,
  needs(1) && g.sumTo(g.where(condition, dy, 0), a),
  needs(2) && g.sumTo(g.where(condition, 0, dy), b),
];

/** a mod b = a − b·⌊a/b⌋, or with the quotient truncated under `fmod`. */
function mod({ g, inputs: [a, b], dy, needs, attributes }: VjpContext) {
  if (attributes.int('fmod', 0) !== 1) refuse('Mod of floats is defined only with fmod = 1.');
  const quotient = g.div(a, b);
  const whole = g.mul(g.sign(quotient), g.floor(g.abs(quotient)));
  return [needs(0) && g.sumTo(dy, a), needs(1) && g.sumTo(g.neg(g.mul(dy, whole)), b)];
}

/** Returns element i of a list that broadcasts. */
const elementAt = <T>(list: readonly T[], i: number): T => list[list.length === 1 ? 0 : i];

/** Computes contents element by element; if one operand is a symbol, `symbolic` may still know the result. */
const elements =
  (
    f: (a: number, b: number) => number,
    symbolic: (a: Dimension, b: Dimension) => Dimension | undefined,
  ): ContentRule =>
  (c) => {
    const [a, b] = [c.contents(0), c.contents(1)];
    // Max and Min may have more inputs, or one.
    if (a === undefined || b === undefined || c.node.input.length !== 2) return undefined;
    const length = a.length === 1 ? b.length : a.length;
    return range(length).map((i) => {
      const [p, q] = [elementAt(a, i), elementAt(b, i)];
      if (typeof p === 'number' && typeof q === 'number') return f(p, q);
      return symbolic(p, q) ?? unknownDimension();
    });
  };

const whereContent: ContentRule = (c) => {
  const [condition, a, b] = [c.integers(0), c.contents(1), c.contents(2)];
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  const length = Math.max(condition.length, a.length, b.length);
  return range(length).map((i) => (elementAt(condition, i) ? elementAt(a, i) : elementAt(b, i)));
};

/** Makes the entry of an op that broadcasts. */
const broadcast = (op: Op): Op => ({
  infer: broadcastType,
  samples: broadcastSamples,
  isElementwise: true,
  ...op,
});
const comparison = broadcast({ infer: booleanType });

/** Arithmetic, comparisons and logic of several values. */
export const arithmetic: OpTable = {
  Add: broadcast({
    content: elements(
      (a, b) => a + b,
      (a, b) => (b === 0 ? a : a === 0 ? b : undefined),
    ),
    vjp: sum,
    operand: 'added',
  }),
  Sub: broadcast({
    content: elements(
      (a, b) => a - b,
      (a, b) => (b === 0 ? a : a === b ? 0 : undefined),
    ),
    vjp: broadcasting(
      (_g, _in, _y, dy) => dy,
      (g, _in, _y, dy) => g.neg(dy),
    ),
    operand: 'subtracted',
  }),
  Mul: broadcast({
    content: elements(
      (a, b) => a * b,
      (a, b) => productOf([a, b]),
    ),
    vjp: broadcasting(
      (g, [, b], _y, dy) => g.mul(dy, b),
      (g, [a], _y, dy) => g.mul(dy, a),
    ),
    operand: 'factor',
  }),
  Div: broadcast({
    content: elements(
      (a, b) => Math.trunc(a / b),
      (a, b) => (b === 1 ? a : undefined),
    ),
    vjp: broadcasting(
      (g, [, b], _y, dy) => g.div(dy, b),
      (g, [, b], y, dy) => g.neg(g.div(g.mul(dy, y), b)),
    ),
    operand: 'divisor',
  }),
  Pow: broadcast({ vjp: pow, isFused: true }),
  Min: broadcast({ content: elements(Math.min, (a, b) => (a === b ? a : undefined)), vjp: extremum }),
  Max: broadcast({ content: elements(Math.max, (a, b) => (a === b ? a : undefined)), vjp: extremum }),
  Sum: broadcast({ vjp: sum }),
  Mean: broadcast({
    as: {
      float64: (g, { input: [first, ...others] }) => [
        g.mul(g.add(first, ...others), 1 / (others.length + 1)),
      ],
    },
  }),
  Mod: broadcast({ vjp: mod }),
  Where: broadcast({
    chooses: 'elements',
    infer: (c) => [{ dtype: c.dtype(1) ?? c.dtype(2), shape: broadcastType(c)?.[0]?.shape }],
    content: whereContent,
    vjp: where,
  }),
  // A size is never negative, so it never equals -1, which marks a free dimension.
  Equal: broadcast({
    infer: booleanType,
    content: elements(
      (a, b) => Number(a === b),
      (a, b) => (a === b ? 1 : a === -1 || b === -1 ? 0 : undefined),
    ),
  }),
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Xor: comparison,
  BitShift: broadcast({}),
  BitwiseAnd: broadcast({}),
  BitwiseOr: broadcast({}),
  BitwiseXor: broadcast({}),
};
