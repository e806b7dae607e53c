import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Operand, Value } from '../ir/graph.ts';
import { roleNamed, type Op, type OpTable } from '../ir/op.ts';
import { onlyFirst } from '../ir/samples.ts';
import type { Traits } from '../ir/traits.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { broadcastSamples, sameType } from './common.ts';
import { throughRelu } from './reluMask.ts';
import { mapFirstInput } from './vmap/broadcasting.ts';

/** Formula of an activation, f(x), with parameters from attributes. */
type Formula = (g: Builder, x: Value, attributes: Attributes) => Value;

/** Makes the entry of an activation. The formula is its float64 form and, without a rule, the source of its gradient. */
const activation = (formula: Formula, vjp?: VjpRule, traits: Traits = {}): Op => ({
  ...traits,
  infer: sameType,
  samples: onlyFirst,
  isElementwise: true,
  as: { float64: (g, node, attributes) => [formula(g, node.input[0], attributes)] },
  ...(vjp && { vjp }),
});

/** dx of y = f(x), from x, y and dy. */
type Unary = (g: Builder, x: Value, y: Value, dy: Value, attributes: Attributes) => Value;

const unary =
  (dx: Unary): VjpRule =>
  ({ g, inputs, outputs, dy, attributes }) => [dx(g, inputs[0], outputs[0], dy, attributes)];

/** `then` where x > 0, else `other`. */
const positive = (g: Builder, x: Value, then: Operand, other: Operand) =>
  g.where(g.greater(x, 0), then, other);

/** eˣ − 1 where x ≤ 0; 0 elsewhere, where eˣ could overflow. */
const below = (g: Builder, x: Value) => g.sub(g.exp(positive(g, x, 0, x)), 1);

export const elu = (g: Builder, x: Value, alpha: number): Value =>
  positive(g, x, x, g.mul(alpha, below(g, x)));

export const leakyRelu = (g: Builder, x: Value, alpha: number): Value => positive(g, x, x, g.mul(alpha, x));

export const thresholdedRelu = (g: Builder, x: Value, alpha: number): Value =>
  g.where(g.greater(x, alpha), x, 0);

export const hardSigmoid = (g: Builder, x: Value, alpha: number, beta: number): Value =>
  g.clip(g.add(g.mul(alpha, x), beta), 0, 1);

export const softplus = (g: Builder, x: Value): Value =>
  g.add(g.relu(x), g.log(g.add(g.exp(g.neg(g.abs(x))), 1)));

export const softsign = (g: Builder, x: Value): Value => g.div(x, g.add(g.abs(x), 1));

/** x·Φ(x), with the cumulative distribution function of the normal distribution. */
export const gelu = (g: Builder, x: Value): Value => g.mul(0.5, x, g.add(g.erf(g.mul(x, Math.SQRT1_2)), 1));

/** Gelu with tanh u in place of the error function, u = √(2/π)·(x + 0.044715·x³). */
export const geluByTanh = (g: Builder, x: Value): Value => {
  const u = g.mul(Math.sqrt(2 / Math.PI), x, g.add(g.mul(0.044715, g.square(x)), 1));
  return g.mul(0.5, x, g.add(g.tanh(u), 1));
};

/** x·sigmoid(αx). */
export const swish = (g: Builder, x: Value, alpha: number): Value => g.mul(x, g.sigmoid(g.mul(alpha, x)));

const selu: Formula = (g, x, attributes) => {
  const alpha = attributes.float('alpha', 1.6732632423543772);
  const gamma = attributes.float('gamma', 1.0507009873554805);
  return g.mul(gamma, positive(g, x, x, g.mul(alpha, below(g, x))));
};

const celu: Formula = (g, x, attributes) => {
  const alpha = attributes.float('alpha', 1);
  return positive(g, x, x, g.mul(alpha, below(g, g.mul(1 / alpha, x))));
};

// ONNX Runtime's float64 kernel computes in float32.
const shrink: Formula = (g, x, attributes) => {
  const lambd = attributes.float('lambd', 0.5);
  const bias = attributes.float('bias', 0);
  return g.where(g.greater(x, lambd), g.sub(x, bias), g.where(g.less(x, -lambd), g.add(x, bias), 0));
};

/** y = min(max(x, low), high): the cotangent goes to x, or to the bound that replaces it. */
const clip: VjpRule = ({ g, inputs: [x, low, high], dy, needs }) => {
  let dx = dy;
  if (low) dx = g.where(g.greaterOrEqual(x, low), dx, 0);
  if (high) dx = g.where(g.lessOrEqual(x, high), dx, 0);
  const capped = () => g.greater(low ? g.max(x, low) : x, high);
  const raised = () => g.where(g.less(x, low), dy, 0);
  return [
    needs(0) && dx,
    needs(1) && g.sumTo(high ? g.where(capped(), 0, raised()) : raised(), low),
    needs(2) && g.sumTo(g.where(capped(), dy, 0), high),
  ];
};

const clipOp: Op = {
  clamps: true,
  infer: sameType,
  isElementwise: true,
  samples: broadcastSamples,
  vjp: clip,
  vmap: mapFirstInput,
  upgrade({ node, attributes, from, scalar, drop }) {
    if (from >= 11) return;
    if (attributes.has('min')) node.input[1] = scalar(attributes.float('min', 0));
    if (attributes.has('max')) node.input[2] = scalar(attributes.float('max', 0));
    node.input = Array.from(node.input, (input) => input ?? '');
    drop('min', 'max');
  },
};

/** Activations. */
export const activations: OpTable = {
  Relu: {
    rectifies: true,
    rises: true,
    infer: sameType,
    isElementwise: true,
    samples: onlyFirst,
    vjp: unary((g, _x, y, dy) => throughRelu(g, y, dy)),
  },
  LeakyRelu: activation(
    (g, x, a) => leakyRelu(g, x, a.float('alpha', 0.01)),
    unary((g, x, _y, dy, a) => positive(g, x, dy, g.mul(a.float('alpha', 0.01), dy))),
  ),
  ThresholdedRelu: activation((g, x, a) => thresholdedRelu(g, x, a.float('alpha', 1))),
  Elu: activation(
    (g, x, a) => elu(g, x, a.float('alpha', 1)),
    unary((g, x, y, dy, a) => positive(g, x, dy, g.mul(dy, g.add(y, a.float('alpha', 1))))),
  ),
  Celu: activation(celu),
  Selu: activation(selu),
  Gelu: Object.assign(
    activation((g, x, a) => (a.string('approximate', 'none') === 'tanh' ? geluByTanh(g, x) : gelu(g, x))),
    { since: 20 },
  ),
  Mish: activation((g, x) => g.mul(x, g.tanh(g.softplus(x)))),
  Swish: Object.assign(
    activation((g, x, a) => swish(g, x, a.float('alpha', 1))),
    { since: 24 },
  ),
  // ONNX Runtime has a float64 kernel, but fuses x·sigmoid(x) to an op that has none.
  Sigmoid: activation(
    (g, x) => g.div(1, g.add(g.exp(g.neg(x)), 1)),
    unary((g, _x, y, dy) => g.mul(dy, y, g.sub(1, y))),
    { probability: 'each', rises: true, keepsInRange: true },
  ),
  Tanh: {
    rises: true,
    keepsInRange: true,
    infer: sameType,
    isElementwise: true,
    samples: onlyFirst,
    vjp: unary((g, _x, y, dy) => g.mul(dy, g.sub(1, g.square(y)))),
  },
  HardSigmoid: activation((g, x, a) => hardSigmoid(g, x, a.float('alpha', 0.2), a.float('beta', 0.5))),
  HardSwish: activation((g, x) => g.mul(x, hardSigmoid(g, x, 1 / 6, 0.5))),
  Softplus: activation(
    softplus,
    unary((g, x, _y, dy) => g.mul(dy, g.sigmoid(x))),
    { keepsInRange: true },
  ),
  // Differentiating the formula would cancel digits of large numbers.
  Softsign: activation(
    softsign,
    unary((g, x, _y, dy) => g.div(dy, g.square(g.add(g.abs(x), 1)))),
  ),
  Shrink: activation(shrink),
  PRelu: {
    infer: sameType,
    isElementwise: true,
    samples: broadcastSamples,
    as: {
      float64: (g, { input: [x, slope] }) => [positive(g, x, x, g.mul(x, slope))],
    },
    roles: { 1: roleNamed('slope', 'slope') },
  },
  Clip: clipOp,
};
