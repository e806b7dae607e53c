import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../passes/rewrite.ts';

type Formula = (g: Builder, x: Value, attributes: Attributes) => Value;

const lowered =
  (formula: Formula): Lowering =>
  (g, node, attributes) => [formula(g, node.input[0], attributes)];

const positive = (g: Builder, x: Value, then: Value, otherwise: Value) =>
  g.where(g.greater(x, 0), then, otherwise);

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
 * @see W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), 631–637;
 * coefficients as in netlib's CALERF. Its third range, beyond 4, where 1 − erf is below 2·10⁻⁸, is left to the
 * second one's formula, whose error there is below 10⁻¹⁶.
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
  // Each branch sees only what it is made for, so that the other's infinities cannot reach it.
  const small = g.op('Min', [size, 0.5]);
  const square = g.square(small);
  const inner = g.mul(small, g.div(polynomial(g, square, near), polynomial(g, square, nearBelow)));
  const large = g.op('Min', [g.op('Max', [size, 0.4]), 6]);
  const ratio = g.div(polynomial(g, large, far), polynomial(g, large, farBelow));
  const outer = g.sub(1, g.mul(g.exp(g.neg(g.square(large))), ratio));
  return g.mul(g.sign(x), g.where(g.less(size, 0.46875), inner, outer));
}

/** The inverse tangent: twice halved by atan t = 2·atan(t/(1 + √(1 + t²))), then its series. */
function atan(g: Builder, x: Value): Value {
  const size = g.abs(x);
  const beyond = g.greater(size, 1);
  const reduced = g.where(beyond, g.div(1, g.op('Max', [size, 1])), size);
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
const asinhOf = (g: Builder, x: Value) => {
  const size = g.abs(x);
  return g.mul(g.sign(x), g.log(g.add(size, g.sqrt(g.add(g.square(x), 1)))));
};
const softplus = (g: Builder, x: Value) => g.add(g.op('Relu', [x]), g.log(g.add(g.exp(g.neg(g.abs(x))), 1)));

/** eˣ − 1 where x < 0, and 0 elsewhere, where eˣ might overflow. */
const below = (g: Builder, x: Value) => g.sub(g.exp(g.op('Min', [x, 0])), 1);

const gelu: Formula = (g, x, attributes) => {
  if (attributes.string('approximate', 'none') === 'tanh') {
    const inner = g.mul(Math.sqrt(2 / Math.PI), x, g.add(g.mul(0.044715, g.square(x)), 1));
    return g.mul(0.5, x, g.add(g.tanh(inner), 1));
  }
  return g.mul(0.5, x, g.add(erf(g, g.mul(x, Math.SQRT1_2)), 1));
};

const hardSigmoid: Formula = (g, x, attributes) => {
  const line = g.add(g.mul(attributes.float('alpha', 0.2), x), attributes.float('beta', 0.5));
  return g.op('Clip', [line, 0, 1]);
};

const selu: Formula = (g, x, attributes) => {
  const alpha = attributes.float('alpha', 1.6732632423543772);
  const gamma = attributes.float('gamma', 1.0507009873554805);
  return g.mul(gamma, positive(g, x, x, g.mul(alpha, below(g, x))));
};

const celu: Formula = (g, x, attributes) => {
  const alpha = attributes.float('alpha', 1);
  return positive(g, x, x, g.mul(alpha, below(g, g.mul(1 / alpha, x))));
};

// There is a float64 kernel, but it computes in float32.
const shrink: Formula = (g, x, attributes) => {
  const lambd = attributes.float('lambd', 0.5);
  const bias = attributes.float('bias', 0);
  return g.where(g.greater(x, lambd), g.sub(x, bias), g.where(g.less(x, -lambd), g.add(x, bias), 0));
};

const prelu: Lowering = (g, node) => {
  const [x, slope] = node.input;
  return [positive(g, x, x, g.mul(x, slope))];
};

const mean: Lowering = (g, node) => {
  const [first, ...others] = node.input;
  return [g.mul(g.add(first, ...others), 1 / node.input.length)];
};

/** Elementwise ops that ONNX Runtime has no float64 kernel for, by formulas that it has kernels for. */
export const activationKernels = new Map<string, Lowering>([
  ['Erf', lowered(erf)],
  // It has a kernel, but ONNX Runtime fuses x·sigmoid(x) to an op that has none.
  ['Sigmoid', lowered((g, x) => g.div(1, g.add(g.exp(g.neg(x)), 1)))],
  ['Tan', lowered((g, x) => g.div(g.op('Sin', [x]), g.op('Cos', [x])))],
  ['Asin', lowered(asin)],
  ['Acos', lowered((g, x) => g.sub(Math.PI / 2, asin(g, x)))],
  ['Atan', lowered(atan)],
  ['Sinh', lowered((g, x) => g.mul(0.5, g.sub(exponentials(g, x)[0], exponentials(g, x)[1])))],
  ['Cosh', lowered((g, x) => g.mul(0.5, g.add(exponentials(g, x)[0], exponentials(g, x)[1])))],
  ['Asinh', lowered(asinhOf)],
  ['Acosh', lowered((g, x) => g.log(g.add(x, g.sqrt(g.sub(g.square(x), 1)))))],
  ['Atanh', lowered((g, x) => g.mul(0.5, g.log(g.div(g.add(x, 1), g.sub(1, x)))))],
  ['LeakyRelu', lowered((g, x, a) => positive(g, x, x, g.mul(a.float('alpha', 0.01), x)))],
  ['ThresholdedRelu', lowered((g, x, a) => g.where(g.greater(x, a.float('alpha', 1)), x, 0))],
  ['Elu', lowered((g, x, a) => positive(g, x, x, g.mul(a.float('alpha', 1), below(g, x))))],
  ['Celu', lowered(celu)],
  ['Selu', lowered(selu)],
  ['Gelu', lowered(gelu)],
  ['Softplus', lowered(softplus)],
  ['Softsign', lowered((g, x) => g.div(x, g.add(g.abs(x), 1)))],
  ['Mish', lowered((g, x) => g.mul(x, g.tanh(softplus(g, x))))],
  ['HardSigmoid', lowered(hardSigmoid)],
  ['HardSwish', lowered((g, x) => g.mul(x, g.op('Clip', [g.add(g.mul(1 / 6, x), 0.5), 0, 1])))],
  ['Shrink', lowered(shrink)],
  ['PRelu', prelu],
  ['Mean', mean],
]);
