import type { OpAttributes } from './attributes.ts';

/** A value of a graph, by its name. */
export type Value = string;

/** A value, or a number that becomes a constant of the other operands' type. */
export type Operand = Value | number;

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
    const names = this.#names ?? Array.from({ length: count }, () => this.fresh(stem));
    this.#names = undefined;
    return [...names];
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
  #unary(op: string) {
    return (x: Value): Value => this.whole(op, [x]);
  }
  #binary(op: string) {
    return (a: Operand, b: Operand): Value => this.whole(op, [a, b]);
  }
  #any(op: string) {
    return (...operands: readonly [Operand, ...Operand[]]): Value => this.whole(op, operands);
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
  readonly addAll = this.#any('Sum');
  /** The mean of all, by one node. */
  readonly meanOf = this.#any('Mean');
  /** a − b. */
  readonly sub = this.#binary('Sub');
  /** a / b. */
  readonly div = this.#binary('Div');
  /** a to the power of b. */
  readonly pow = this.#binary('Pow');
  /** The rest of a / b for integers, with the sign of b. */
  readonly mod = this.#binary('Mod');
  /** The smallest of all. */
  readonly min = this.#any('Min');
  /** The largest of all. */
  readonly max = this.#any('Max');
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
    return this.op('Identity', [x]);
  }
  /** −x. */
  readonly neg = this.#unary('Neg');
  /** eˣ. */
  readonly exp = this.#unary('Exp');
  /** The natural logarithm. */
  readonly log = this.#unary('Log');
  /** √x. */
  readonly sqrt = this.#unary('Sqrt');
  /** |x|. */
  readonly abs = this.#unary('Abs');
  /** −1, 0 or 1. */
  readonly sign = this.#unary('Sign');
  /** The largest integer ≤ x. */
  readonly floor = this.#unary('Floor');
  /** The smallest integer ≥ x. */
  readonly ceil = this.#unary('Ceil');
  /** The nearest integer; ties go to the even one. */
  readonly round = this.#unary('Round');
  /** The sine. */
  readonly sin = this.#unary('Sin');
  /** The cosine. */
  readonly cos = this.#unary('Cos');
  /** The error function. */
  readonly erf = this.#unary('Erf');
  /** 1 / (1 + e⁻ˣ). */
  readonly sigmoid = this.#unary('Sigmoid');
  /** The hyperbolic tangent. */
  readonly tanh = this.#unary('Tanh');
  /** max(x, 0). */
  readonly relu = this.#unary('Relu');
  /** log(1 + eˣ). */
  readonly softplus = this.#unary('Softplus');

  /** True where a > b. */
  readonly greater = this.#binary('Greater');
  /** True where a < b. */
  readonly less = this.#binary('Less');
  /** True where a ≥ b. */
  readonly greaterOrEqual = this.#binary('GreaterOrEqual');
  /** True where a ≤ b. */
  readonly lessOrEqual = this.#binary('LessOrEqual');
  /** True where a = b. */
  readonly equal = this.#binary('Equal');
  /** True where both are true. */
  readonly and = this.#binary('And');
  /** True where either is true. */
  readonly or = this.#binary('Or');
  /** True where x is NaN. */
  readonly isNaN = this.#unary('IsNaN');
  /** True where x is false. */
  readonly not = this.#unary('Not');
  /** x in another type, by its number in the ONNX format. */
  cast(x: Value, dtype: number): Value {
    return this.op('Cast', [x], { to: dtype });
  }
}
