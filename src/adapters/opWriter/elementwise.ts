import type { OpAttributes } from './attributes.ts';

/** A value of a graph, by its name. */
export type Value = string;

/** A value, or a number that becomes a constant of the other operands' type. */
export type Operand = Value | number;

/** The op that gives a value another name. */
export const IDENTITY = 'Identity';
/** The op that gives a value another type. */
export const CAST = 'Cast';

/** A graph to which nodes are appended: elementwise ops, whose operands broadcast as in NumPy. */
export abstract class ElementwiseWriter {
  #names: readonly Value[] | undefined;

  /** Appends a node with `count` outputs, and returns their names. */
  abstract ops(
    op: string,
    inputs: readonly (Operand | undefined)[],
    attributes?: OpAttributes,
    count?: number,
  ): Value[];
  /** Returns an unused name. */
  abstract fresh(stem: string): Value;

  /** Gives the outputs of the next node these names. */
  naming(...names: readonly Value[]): this {
    this.#names = names;
    return this;
  }
  /** Returns the names of the outputs of a new node. */
  protected outputsOf(stem: string, count: number): Value[] {
    const names = this.#names ? [...this.#names] : [];
    this.#names = undefined;
    while (names.length < count) names.push(this.fresh(stem));
    return names;
  }
  /** Appends a node with one output, and returns its name. */
  op(op: string, inputs: readonly (Operand | undefined)[], attributes?: OpAttributes): Value {
    return this.ops(op, inputs, attributes)[0];
  }
  /** Appends a node that needs all its operands, and returns the name of its output. */
  protected whole(op: string, operands: readonly Operand[], attributes?: OpAttributes): Value {
    return this.op(op, operands, attributes);
  }
  /** Appends a node of an op for each operand but the first; `neutral` is the number that changes no other operand. */
  protected fold(op: string, _neutral: number, [first, ...others]: readonly [Operand, ...Operand[]]): Value {
    return others.reduce<Operand>((a, b) => this.op(op, [a, b]), first) as Value;
  }

  /** The sum of all. */
  add(...terms: readonly [Operand, ...Operand[]]): Value {
    return this.fold('Add', 0, terms);
  }
  /** The product of all. */
  mul(...factors: readonly [Operand, ...Operand[]]): Value {
    return this.fold('Mul', 1, factors);
  }
  /** The sum of all, by one node. */
  addAll(...operands: readonly [Operand, ...Operand[]]): Value {
    return this.whole('Sum', operands);
  }
  /** The mean of all, by one node. */
  meanOf(...operands: readonly [Operand, ...Operand[]]): Value {
    return this.whole('Mean', operands);
  }
  /** a − b. */
  sub(a: Operand, b: Operand): Value {
    return this.whole('Sub', [a, b]);
  }
  /** a / b. */
  div(a: Operand, b: Operand): Value {
    return this.whole('Div', [a, b]);
  }
  /** a to the power of b. */
  pow(a: Operand, b: Operand): Value {
    return this.whole('Pow', [a, b]);
  }
  /** The rest of a / b for integers, with the sign of b. */
  mod(a: Operand, b: Operand): Value {
    return this.whole('Mod', [a, b]);
  }
  /** The smallest of all. */
  min(...operands: readonly [Operand, ...Operand[]]): Value {
    return this.whole('Min', operands);
  }
  /** The largest of all. */
  max(...operands: readonly [Operand, ...Operand[]]): Value {
    return this.whole('Max', operands);
  }
  /** x clamped to two bounds. */
  clip(x: Value, low: Operand, high: Operand): Value {
    return this.op('Clip', [x, low, high]);
  }
  /** x². */
  square(x: Value): Value {
    return this.mul(x, x);
  }
  /** x itself, as another value. */
  identity(x: Value): Value {
    return this.op(IDENTITY, [x]);
  }
  /** −x. */
  neg(x: Value): Value {
    return this.whole('Neg', [x]);
  }
  /** eˣ. */
  exp(x: Value): Value {
    return this.whole('Exp', [x]);
  }
  /** The natural logarithm. */
  log(x: Value): Value {
    return this.whole('Log', [x]);
  }
  /** √x. */
  sqrt(x: Value): Value {
    return this.whole('Sqrt', [x]);
  }
  /** |x|. */
  abs(x: Value): Value {
    return this.whole('Abs', [x]);
  }
  /** −1, 0 or 1. */
  sign(x: Value): Value {
    return this.whole('Sign', [x]);
  }
  /** The largest integer ≤ x. */
  floor(x: Value): Value {
    return this.whole('Floor', [x]);
  }
  /** The smallest integer ≥ x. */
  ceil(x: Value): Value {
    return this.whole('Ceil', [x]);
  }
  /** The nearest integer; ties go to the even one. */
  round(x: Value): Value {
    return this.whole('Round', [x]);
  }
  /** The sine. */
  sin(x: Value): Value {
    return this.whole('Sin', [x]);
  }
  /** The cosine. */
  cos(x: Value): Value {
    return this.whole('Cos', [x]);
  }
  /** The error function. */
  erf(x: Value): Value {
    return this.whole('Erf', [x]);
  }
  /** 1 / (1 + e⁻ˣ). */
  sigmoid(x: Value): Value {
    return this.whole('Sigmoid', [x]);
  }
  /** The hyperbolic tangent. */
  tanh(x: Value): Value {
    return this.whole('Tanh', [x]);
  }
  /** max(x, 0). */
  relu(x: Value): Value {
    return this.whole('Relu', [x]);
  }
  /** x where x > 0, alpha·x elsewhere. */
  leakyRelu(x: Value, alpha: number): Value {
    return this.op('LeakyRelu', [x], { alpha });
  }
  /** log(1 + eˣ). */
  softplus(x: Value): Value {
    return this.whole('Softplus', [x]);
  }

  /** True where a > b. */
  greater(a: Operand, b: Operand): Value {
    return this.whole('Greater', [a, b]);
  }
  /** True where a < b. */
  less(a: Operand, b: Operand): Value {
    return this.whole('Less', [a, b]);
  }
  /** True where a ≥ b. */
  greaterOrEqual(a: Operand, b: Operand): Value {
    return this.whole('GreaterOrEqual', [a, b]);
  }
  /** True where a ≤ b. */
  lessOrEqual(a: Operand, b: Operand): Value {
    return this.whole('LessOrEqual', [a, b]);
  }
  /** True where a = b. */
  equal(a: Operand, b: Operand): Value {
    return this.whole('Equal', [a, b]);
  }
  /** True where both are true. */
  and(a: Operand, b: Operand): Value {
    return this.whole('And', [a, b]);
  }
  /** True where either is true. */
  or(a: Operand, b: Operand): Value {
    return this.whole('Or', [a, b]);
  }
  /** True where x is NaN. */
  isNaN(x: Value): Value {
    return this.whole('IsNaN', [x]);
  }
  /** True where x is false. */
  not(x: Value): Value {
    return this.whole('Not', [x]);
  }
  /** x in another type, by its number in the ONNX format. */
  cast(x: Value, dtype: number): Value {
    return this.op(CAST, [x], { to: dtype });
  }
}
