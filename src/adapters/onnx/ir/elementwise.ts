import { Graph, type Operand, type Value } from './graph.ts';
import { identityNode } from './node.ts';
import { numbersOf, type DType } from './tensor.ts';

/** A graph with elementwise methods; operands broadcast as in NumPy. */
export class ElementwiseGraph extends Graph {
  /** The sum of all. */
  add(...terms: readonly [Operand, ...Operand[]]): Value {
    return this.#fold('Add', 0, terms);
  }
  /** The product of all. */
  mul(...factors: readonly [Operand, ...Operand[]]): Value {
    return this.#fold('Mul', 1, factors);
  }
  #fold(op: string, neutral: number, operands: readonly Operand[]): Value {
    this.requireOperands(op, operands);
    const rest = operands.filter((operand) => !this.#isScalar(operand, neutral));
    const [first = neutral, ...others] = rest;
    return others.reduce<Value>(
      (a, b) => this.op(op, [a, b]),
      typeof first === 'number' ? this.scalar(first, this.#dtypeAmong(operands)) : first,
    );
  }
  /** True for this number, or a value without axes that is filled with it: these change neither shapes nor values. */
  #isScalar(operand: Operand, value: number): boolean {
    if (typeof operand === 'number') return operand === value;
    const isFill = this.shapeOf(operand)?.length === 0 && this.traitsOf(operand)?.fills;
    // Not constants, which may be trained.
    const fill = isFill ? this.makerOf(operand)?.attribute[0]?.t : undefined;
    return fill !== undefined && numbersOf(fill)[0] === value;
  }
  #dtypeAmong(operands: readonly Operand[]): DType {
    const typed = operands.find((operand) => typeof operand === 'string');
    return (typeof typed === 'string' ? this.dtypeOf(typed) : undefined) ?? this.float;
  }
  #unary(op: string) {
    return (x: Value): Value => this.whole(op, [x]);
  }
  #binary(op: string) {
    return (a: Operand, b: Operand): Value => this.whole(op, [a, b]);
  }

  /** a − b. */
  readonly sub = this.#binary('Sub');
  /** a / b. */
  readonly div = this.#binary('Div');
  /** a to the power of b. */
  readonly pow = this.#binary('Pow');
  /** The rest of a / b for integers, with the sign of b. */
  readonly mod = this.#binary('Mod');
  /** The smaller of two. */
  readonly min = this.#binary('Min');
  /** The larger of two. */
  readonly max = this.#binary('Max');
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
    const copy = this.fresh('copy');
    this.append(identityNode(x, copy));
    return copy;
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
  /** a where the condition is true, b elsewhere. */
  where(condition: Value, a: Operand, b: Operand): Value {
    const dtype = this.#dtypeAmong([a, b]);
    const lift = (operand: Operand) => (typeof operand === 'number' ? this.scalar(operand, dtype) : operand);
    return this.whole('Where', [condition, lift(a), lift(b)]);
  }
  /** x in another type. */
  cast(x: Value, dtype: DType): Value {
    return this.dtypeOf(x) === dtype ? x : this.op('Cast', [x], { to: dtype });
  }
  /** 1 where the condition is true and 0 elsewhere, with the type of `like`. */
  mask(condition: Value, like: Value): Value {
    return this.cast(condition, this.dtypeOf(like) ?? this.float);
  }
}
