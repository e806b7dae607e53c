import { refuse } from '../ir/errors.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Operand, Value } from '../ir/graph.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** dx of y = f(x), from x, y and dy. */
type Unary = (g: Builder, x: Value, y: Value, dy: Value, attributes: Attributes) => Value;

const unary =
  (dx: Unary): VjpRule =>
  ({ g, inputs, outputs, dy, attributes }) => [dx(g, inputs[0], outputs[0], dy, attributes)];

/** dy where x > 0, else `other`. */
const positive = (g: Builder, x: Value, dy: Operand, other: Operand) => g.where(g.greater(x, 0), dy, other);

const between = (g: Builder, x: Value, low: number, high: number) =>
  g.and(g.greater(x, low), g.less(x, high));

const rsqrt = (g: Builder, x: Value) => g.div(1, g.sqrt(x));

/** Of the tanh form of Gelu, 0.5·x·(1 + tanh u) with u = √(2/π)·(x + 0.044715·x³). */
function geluTanh(g: Builder, x: Value, dy: Value): Value {
  const c = Math.sqrt(2 / Math.PI);
  const xx = g.square(x);
  const t = g.tanh(g.mul(c, x, g.add(g.mul(0.044715, xx), 1)));
  const du = g.mul(c, g.add(g.mul(3 * 0.044715, xx), 1));
  const slope = g.mul(x, g.sub(1, g.square(t)), du);
  return g.mul(dy, 0.5, g.add(g.add(t, 1), slope));
}

const gelu: Unary = (g, x, _y, dy, attributes) => {
  if (attributes.string('approximate', 'none') === 'tanh') return geluTanh(g, x, dy);
  const cumulative = g.mul(0.5, g.add(g.op('Erf', [g.mul(x, Math.SQRT1_2)]), 1));
  const density = g.mul(1 / Math.sqrt(2 * Math.PI), g.exp(g.mul(-0.5, g.square(x))));
  return g.mul(dy, g.add(cumulative, g.mul(x, density)));
};

const mish: Unary = (g, x, _y, dy) => {
  const t = g.tanh(g.op('Softplus', [x]));
  return g.mul(dy, g.add(t, g.mul(x, g.sigmoid(x), g.sub(1, g.square(t)))));
};

const swish: Unary = (g, x, y, dy, attributes) => {
  const alpha = attributes.float('alpha', 1);
  const s = g.sigmoid(g.mul(alpha, x));
  return g.mul(dy, g.add(s, g.mul(alpha, y, g.sub(1, s))));
};

const celu: Unary = (g, x, _y, dy, attributes) => {
  const alpha = attributes.float('alpha', 1);
  return positive(g, x, dy, g.mul(dy, g.exp(g.mul(1 / alpha, g.op('Min', [x, 0])))));
};

const hardSigmoid: Unary = (g, _x, y, dy, attributes) =>
  g.where(between(g, y, 0, 1), g.mul(attributes.float('alpha', 0.2), dy), 0);

/** y = x·max(0, min(1, x/6 + 1/2)). */
const hardSwish: Unary = (g, x, _y, dy) => {
  const slope = g.where(g.less(x, 3), g.add(g.mul(1 / 3, x), 0.5), 1);
  return g.where(g.greater(x, -3), g.mul(dy, slope), 0);
};

const selu: Unary = (g, x, y, dy, attributes) => {
  const alpha = attributes.float('alpha', 1.6732632423543772);
  const gamma = attributes.float('gamma', 1.0507009873554805);
  return positive(g, x, g.mul(gamma, dy), g.mul(dy, g.add(y, alpha * gamma)));
};

const shrink: Unary = (g, x, _y, dy, attributes) =>
  g.where(g.greater(g.abs(x), attributes.float('lambd', 0.5)), dy, 0);

/** y = min(max(x, low), high): the cotangent goes to x, or to the bound that stands in its place. */
const clip: VjpRule = ({ g, inputs: [x, low, high], dy, needs }) => {
  let dx = dy;
  if (low) dx = g.where(g.op('GreaterOrEqual', [x, low]), dx, 0);
  if (high) dx = g.where(g.op('LessOrEqual', [x, high]), dx, 0);
  const capped = () => g.greater(low ? g.op('Max', [x, low]) : x, high);
  const raised = () => g.where(g.less(x, low), dy, 0);
  return [
    needs(0) && dx,
    needs(1) && g.sumTo(high ? g.where(capped(), 0, raised()) : raised(), low),
    needs(2) && g.sumTo(g.where(capped(), dy, 0), high),
  ];
};

const prelu: VjpRule = ({ g, inputs: [x, slope], dy, needs }) => [
  needs(0) && positive(g, x, dy, g.mul(dy, slope)),
  needs(1) && g.sumTo(positive(g, x, 0, g.mul(dy, x)), slope),
];

const cast: VjpRule = ({ g, inputs: [x], dy }) => [g.cast(dy, g.floatTypeOf(x))];

/** Of its second input an op takes the type only. */
const castLike: VjpRule = (c) => (c.needs(0) ? [...cast(c), undefined] : []);

/** Divides the cotangent of the elements kept by their probability. In a graph that is run again for its states, the choice would be another. */
const dropout: VjpRule = ({ g, node, inputs: [x, ratio, training], dy }) => {
  const mode = training ? g.integersOf(training)?.[0] : 0;
  if (mode === 0) return [dy];
  if (g.inside) refuse('in training mode, inside the graph of another node, it has no rule.');
  const kept = g.extraOutput(node, 1);
  const part = ratio ? g.sub(1, g.cast(ratio, g.floatTypeOf(x))) : g.scalar(0.5, g.floatTypeOf(x));
  const share = mode === undefined ? g.where(training, part, g.scalar(1, g.floatTypeOf(x))) : part;
  return [g.where(kept, g.div(dy, share), 0)];
};

/** Rules of f(x) alone. */
export const elementwise = new Map<string, VjpRule>([
  ['Identity', ({ dy }) => [dy]],
  ['Cast', cast],
  ['CastLike', castLike],
  ['Dropout', dropout],
  ['Neg', unary((g, _x, _y, dy) => g.neg(dy))],
  ['Abs', unary((g, x, _y, dy) => g.mul(dy, g.sign(x)))],
  ['Reciprocal', unary((g, _x, y, dy) => g.neg(g.mul(dy, g.square(y))))],
  ['Sqrt', unary((g, _x, y, dy) => g.div(g.mul(0.5, dy), y))],
  ['Exp', unary((g, _x, y, dy) => g.mul(dy, y))],
  ['Log', unary((g, x, _y, dy) => g.div(dy, x))],
  ['Erf', unary((g, x, _y, dy) => g.mul(dy, 2 / Math.sqrt(Math.PI), g.exp(g.neg(g.square(x)))))],

  ['Sin', unary((g, x, _y, dy) => g.mul(dy, g.op('Cos', [x])))],
  ['Cos', unary((g, x, _y, dy) => g.neg(g.mul(dy, g.op('Sin', [x]))))],
  ['Tan', unary((g, _x, y, dy) => g.mul(dy, g.add(g.square(y), 1)))],
  ['Asin', unary((g, x, _y, dy) => g.mul(dy, rsqrt(g, g.sub(1, g.square(x)))))],
  ['Acos', unary((g, x, _y, dy) => g.neg(g.mul(dy, rsqrt(g, g.sub(1, g.square(x))))))],
  ['Atan', unary((g, x, _y, dy) => g.div(dy, g.add(g.square(x), 1)))],
  ['Sinh', unary((g, x, _y, dy) => g.mul(dy, g.op('Cosh', [x])))],
  ['Cosh', unary((g, x, _y, dy) => g.mul(dy, g.op('Sinh', [x])))],
  ['Tanh', unary((g, _x, y, dy) => g.mul(dy, g.sub(1, g.square(y))))],
  ['Asinh', unary((g, x, _y, dy) => g.mul(dy, rsqrt(g, g.add(g.square(x), 1))))],
  ['Acosh', unary((g, x, _y, dy) => g.mul(dy, rsqrt(g, g.sub(g.square(x), 1))))],
  ['Atanh', unary((g, x, _y, dy) => g.div(dy, g.sub(1, g.square(x))))],

  ['Relu', unary((g, x, _y, dy) => positive(g, x, dy, 0))],
  ['LeakyRelu', unary((g, x, _y, dy, a) => positive(g, x, dy, g.mul(a.float('alpha', 0.01), dy)))],
  ['ThresholdedRelu', unary((g, x, _y, dy, a) => g.where(g.greater(x, a.float('alpha', 1)), dy, 0))],
  ['Elu', unary((g, x, y, dy, a) => positive(g, x, dy, g.mul(dy, g.add(y, a.float('alpha', 1)))))],
  ['Celu', unary(celu)],
  ['Selu', unary(selu)],
  ['Gelu', unary(gelu)],
  ['Mish', unary(mish)],
  ['Swish', unary(swish)],
  ['Sigmoid', unary((g, _x, y, dy) => g.mul(dy, y, g.sub(1, y)))],
  ['HardSigmoid', unary(hardSigmoid)],
  ['HardSwish', unary(hardSwish)],
  ['Softplus', unary((g, x, _y, dy) => g.mul(dy, g.sigmoid(x)))],
  ['Softsign', unary((g, x, _y, dy) => g.div(dy, g.square(g.add(g.abs(x), 1))))],
  ['Shrink', unary(shrink)],
  ['Clip', clip],
  ['PRelu', prelu],

  // Flat wherever they are smooth.
  ...['Sign', 'Floor', 'Ceil', 'Round'].map((op): [string, VjpRule] => [op, () => []]),
  // Random values depend on their input's shape only.
  ...['RandomNormalLike', 'RandomUniformLike', 'EyeLike'].map((op): [string, VjpRule] => [op, () => []]),
  ['Hardmax', () => refuse('its gradient is zero or undefined everywhere; train with Softmax.')],
]);
