import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

/** What one input of a broadcasting op receives, in the shape of the result; it is then summed to the input's. */
type Share = (g: Builder, inputs: readonly Value[], y: Value, dy: Value) => Value | undefined;

/** A rule from one {@link Share} for each input. */
const broadcasting =
  (...shares: readonly (Share | undefined)[]): VjpRule =>
  ({ g, inputs, outputs, dy, needs }) =>
    inputs.map((input, i) => {
      const share = needs(i) ? shares[i]?.(g, inputs, outputs[0], dy) : undefined;
      return share && g.sumTo(share, input);
    });

const sum: VjpRule = ({ g, inputs, dy, needs }) => inputs.map((input, i) => needs(i) && g.sumTo(dy, input));

const mean: VjpRule = ({ g, inputs, dy, needs }) => {
  const share = g.mul(dy, 1 / inputs.length);
  return inputs.map((input, i) => needs(i) && g.sumTo(share, input));
};

/** The cotangent goes to whichever input the result came from; ties share it. */
const extremum: VjpRule = ({ g, inputs, outputs: [y], dy, needs }) => {
  const chosen = inputs.map((input) => g.mask(g.equal(input, y), y));
  const [first, ...others] = chosen;
  const share = inputs.length === 1 ? dy : g.div(dy, g.add(first, ...others));
  return inputs.map((input, i) => needs(i) && g.sumTo(g.mul(share, chosen[i]), input));
};

/** d(aᵇ)/da = b·aᵇ⁻¹, without 0·∞ where b is the number 0, 1, 2 or 3. */
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

/** d(aᵇ)/db = aᵇ·log a, which is 0 where a is 0. */
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
  if (attributes.int('fmod', 0) !== 1) refuse('Mod of floats is defined with fmod = 1 only.');
  const quotient = g.div(a, b);
  const whole = g.mul(g.sign(quotient), g.op('Floor', [g.abs(quotient)]));
  return [needs(0) && g.sumTo(dy, a), needs(1) && g.sumTo(g.neg(g.mul(dy, whole)), b)];
}

/** Rules of elementwise ops of several inputs, which broadcast. */
export const arithmetic = new Map<string, VjpRule>([
  ['Add', sum],
  ['Sum', sum],
  ['Mean', mean],
  [
    'Sub',
    broadcasting(
      (_g, _in, _y, dy) => dy,
      (g, _in, _y, dy) => g.neg(dy),
    ),
  ],
  [
    'Mul',
    broadcasting(
      (g, [, b], _y, dy) => g.mul(dy, b),
      (g, [a], _y, dy) => g.mul(dy, a),
    ),
  ],
  [
    'Div',
    broadcasting(
      (g, [, b], _y, dy) => g.div(dy, b),
      (g, [, b], y, dy) => g.neg(g.div(g.mul(dy, y), b)),
    ),
  ],
  ['Pow', pow],
  ['Min', extremum],
  ['Max', extremum],
  ['Where', where],
  ['Mod', mod],
]);
