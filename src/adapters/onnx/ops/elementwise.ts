import { unknownDimension } from '../ir/shape.ts';
import type { Builder } from '../ir/builder.ts';
import type { InferContext } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Op, OpTable } from '../ir/op.ts';
import { onlyFirst } from '../ir/samples.ts';
import { DType } from '../ir/tensor.ts';
import { flat, type VjpRule } from '../ir/vjp.ts';
import { attributeType, booleanType, movesIntegers, sameContent, sameType } from './common.ts';

/** Makes the entry of an op f(x), with defaults for its type and samples. */
const elementwise = (op: Op): Op => ({ infer: sameType, samples: onlyFirst, isElementwise: true, ...op });

/** dx of y = f(x), from x, y and dy. */
type Unary = (g: Builder, x: Value, y: Value, dy: Value) => Value;

const unary = (dx: Unary, float64?: Formula): Op =>
  elementwise({
    vjp: ({ g, inputs, outputs, dy }) => [dx(g, inputs[0], outputs[0], dy)],
    ...(float64 && { as: { float64: (g, node) => [float64(g, node.input[0])] } }),
  });

type Formula = (g: Builder, x: Value) => Value;

const rsqrt = (g: Builder, x: Value) => g.div(1, g.sqrt(x));

/** c₀ + c₁·x + c₂·x² + … */
const polynomial = (g: Builder, x: Value, coefficients: readonly number[]): Value =>
  coefficients
    .slice(0, -1)
    .reduceRight<Value>(
      (sum, c) => g.add(g.mul(x, sum), c),
      g.scalar(coefficients[coefficients.length - 1], g.dtypeOf(x)),
    );

/**
 * The error function to double precision.
 *
 * @see W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969),
 * 631–637; coefficients as in netlib's CALERF. Beyond 4, Cody's third range, 1 − erf is below 2·10⁻⁸; the
 * formula of the second range is used there too, with an error below 10⁻¹⁶.
 */
function erf(g: Builder, x: Value): Value {
  const near = [
    3209.3775891384694, 377.485237685302, 113.86415415105016, 3.1611237438705655, 0.18577770618460315,
  ];
  const nearBelow = [2844.236833439171, 1282.6165260773723, 244.02463793444417, 23.601290952344122, 1];
  const far = [
    1230.3393547979972, 2051.0783778260716, 1712.0476126340707, 881.952221241769, 298.6351381974001,
    66.11919063714163, 8.883149794388377, 0.5641884969886701, 2.1531153547440383e-8,
  ];
  const farBelow = [
    1230.3393548037495, 3439.3676741437216, 4362.619090143247, 3290.7992357334597, 1621.3895745666903,
    537.1811018620099, 117.6939508913125, 15.744926110709835, 1,
  ];
  const size = g.abs(x);
  // Each branch only sees values in its own range, so it cannot produce infinities that spoil the result.
  const small = g.min(size, 0.5);
  const square = g.square(small);
  const inner = g.mul(small, g.div(polynomial(g, square, near), polynomial(g, square, nearBelow)));
  const large = g.min(g.max(size, 0.4), 6);
  const ratio = g.div(polynomial(g, large, far), polynomial(g, large, farBelow));
  const outer = g.sub(1, g.mul(g.exp(g.neg(g.square(large))), ratio));
  return g.mul(g.sign(x), g.where(g.less(size, 0.46875), inner, outer));
}

/** The inverse tangent: the argument is halved twice, by atan t = 2·atan(t/(1 + √(1 + t²))), then a series is summed. */
function atan(g: Builder, x: Value): Value {
  const size = g.abs(x);
  const beyond = g.greater(size, 1);
  const reduced = g.where(beyond, g.div(1, g.max(size, 1)), size);
  const halved = (t: Value) => g.div(t, g.add(g.sqrt(g.add(g.square(t), 1)), 1));
  const t = halved(halved(reduced));
  const series = polynomial(
    g,
    g.square(t),
    Array.from({ length: 13 }, (_, n) => (n % 2 === 0 ? 1 : -1) / (2 * n + 1)),
  );
  const angle = g.mul(4, t, series);
  return g.mul(g.sign(x), g.where(beyond, g.sub(Math.PI / 2, angle), angle));
}

const asin = (g: Builder, x: Value) => atan(g, g.div(x, g.sqrt(g.sub(1, g.square(x)))));

const exponentials = (g: Builder, x: Value) => [g.exp(x), g.exp(g.neg(x))];

const asinh = (g: Builder, x: Value) => {
  const size = g.abs(x);
  return g.mul(g.sign(x), g.log(g.add(size, g.sqrt(g.add(g.square(x), 1)))));
};

const cast: VjpRule = ({ g, inputs: [x], dy }) => [g.isFloat(x) ? g.cast(dy, g.floatTypeOf(x)) : dy];

/** CastLike reads only the type of its second input. */
const castLike: VjpRule = (c) => (c.needs(0) ? [...cast(c), undefined] : []);

const castTo = ({ attributes }: InferContext): DType => attributes.int('to', DType.FLOAT);

const inverseOfRoot = (g: Builder, dy: Value, square: Value) => g.mul(dy, rsqrt(g, square));

/** Elementwise ops of one value, except activations. */
export const elementwiseOps: OpTable = {
  Identity: elementwise({
    vjp: ({ dy }) => [dy],
    content: sameContent,
    carries: 'all',
    integers: movesIntegers,
  }),
  Cast: elementwise({
    infer: (c) => [{ dtype: castTo(c), shape: c.shape(0) }],
    content: sameContent,
    vjp: cast,
    carries: 'all',
    integers: movesIntegers,
  }),
  CastLike: elementwise({ infer: (c) => [{ dtype: c.dtype(1), shape: c.shape(0) }], vjp: castLike }),
  Neg: {
    ...unary((g, _x, _y, dy) => g.neg(dy)),
    content: (c) =>
      c.contents(0)?.map((element) => (typeof element === 'number' ? -element : unknownDimension())),
  },
  Abs: unary((g, x, _y, dy) => g.mul(dy, g.sign(x))),
  Reciprocal: unary((g, _x, y, dy) => g.neg(g.mul(dy, g.square(y)))),
  Sqrt: { ...unary((g, _x, y, dy) => g.div(g.mul(0.5, dy), y)), takesRoot: true, isFused: true },
  Exp: { ...unary((g, _x, y, dy) => g.mul(dy, y)), keepsInRange: true },
  Log: unary((g, x, _y, dy) => g.div(dy, x)),
  Erf: {
    ...unary((g, x, _y, dy) => g.mul(dy, 2 / Math.sqrt(Math.PI), g.exp(g.neg(g.square(x)))), erf),
    isFused: true,
  },

  Sin: { ...unary((g, x, _y, dy) => g.mul(dy, g.cos(x))), ofAngle: 'sine' },
  Cos: { ...unary((g, x, _y, dy) => g.neg(g.mul(dy, g.sin(x)))), ofAngle: 'cosine' },
  Tan: unary(
    (g, _x, y, dy) => g.mul(dy, g.add(g.square(y), 1)),
    (g, x) => g.div(g.sin(x), g.cos(x)),
  ),
  Asin: unary((g, x, _y, dy) => inverseOfRoot(g, dy, g.sub(1, g.square(x))), asin),
  Acos: unary(
    (g, x, _y, dy) => g.neg(inverseOfRoot(g, dy, g.sub(1, g.square(x)))),
    (g, x) => g.sub(Math.PI / 2, asin(g, x)),
  ),
  Atan: unary((g, x, _y, dy) => g.div(dy, g.add(g.square(x), 1)), atan),
  Sinh: unary(
    (g, x, _y, dy) => g.mul(dy, g.op('Cosh', [x])),
    (g, x) => g.mul(0.5, g.sub(exponentials(g, x)[0], exponentials(g, x)[1])),
  ),
  Cosh: unary(
    (g, x, _y, dy) => g.mul(dy, g.op('Sinh', [x])),
    (g, x) => g.mul(0.5, g.add(exponentials(g, x)[0], exponentials(g, x)[1])),
  ),
  Asinh: unary((g, x, _y, dy) => inverseOfRoot(g, dy, g.add(g.square(x), 1)), asinh),
  Acosh: unary(
    (g, x, _y, dy) => inverseOfRoot(g, dy, g.sub(g.square(x), 1)),
    (g, x) => g.log(g.add(x, g.sqrt(g.sub(g.square(x), 1)))),
  ),
  Atanh: unary(
    (g, x, _y, dy) => g.div(dy, g.sub(1, g.square(x))),
    (g, x) => g.mul(0.5, g.log(g.div(g.add(x, 1), g.sub(1, x)))),
  ),

  // Piecewise constant.
  Sign: elementwise({ vjp: flat }),
  Floor: elementwise({ vjp: flat }),
  Ceil: elementwise({ vjp: flat }),
  Round: elementwise({ vjp: flat }),
  EyeLike: {
    infer: attributeType,
    vjp: flat,
  },

  Not: elementwise({
    infer: booleanType,
    content: (c) => c.integers(0)?.map((element) => Number(element === 0)),
  }),
  IsNaN: elementwise({ infer: booleanType }),
  IsInf: elementwise({ infer: booleanType }),
  BitwiseNot: elementwise({}),
};
