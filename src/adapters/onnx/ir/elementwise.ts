import { Graph, type Operand, type Value } from './graph.ts';
import type { DType } from './tensor.ts';

/** A graph with the elementwise verbs; everything broadcasts as in NumPy. */
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
    const rest = operands.filter((operand) => operand !== neutral);
    if (rest.length === 0) return this.scalar(neutral);
    const [first, ...others] = rest;
    if (others.length === 0) return typeof first === 'number' ? this.scalar(first) : first;
    return others.reduce<Value>(
      (a, b) => this.op(op, [a, b]),
      typeof first === 'number' ? this.scalar(first, this.#dtypeAmong(others)) : first,
    );
  }
  #dtypeAmong(operands: readonly Operand[]): DType {
    const typed = operands.find((operand) => typeof operand === 'string');
    return (typeof typed === 'string' ? this.dtypeOf(typed) : undefined) ?? this.float;
  }
  /** a − b. */
  sub(a: Operand, b: Operand): Value {
    return this.op('Sub', [a, b]);
  }
  /** a / b. */
  div(a: Operand, b: Operand): Value {
    return this.op('Div', [a, b]);
  }
  /** a to the power of b. */
  pow(a: Operand, b: Operand): Value {
    return this.op('Pow', [a, b]);
  }
  /** −x. */
  neg(x: Value): Value {
    return this.op('Neg', [x]);
  }
  /** x². */
  square(x: Value): Value {
    return this.op('Mul', [x, x]);
  }
  /** eˣ. */
  exp(x: Value): Value {
    return this.op('Exp', [x]);
  }
  /** The natural logarithm. */
  log(x: Value): Value {
    return this.op('Log', [x]);
  }
  /** √x. */
  sqrt(x: Value): Value {
    return this.op('Sqrt', [x]);
  }
  /** |x|. */
  abs(x: Value): Value {
    return this.op('Abs', [x]);
  }
  /** The smaller of two. */
  min(a: Operand, b: Operand): Value {
    return this.op('Min', [a, b]);
  }
  /** The larger of two. */
  max(a: Operand, b: Operand): Value {
    return this.op('Max', [a, b]);
  }
  /** x held between two bounds. */
  clip(x: Value, low: Operand, high: Operand): Value {
    return this.op('Clip', [x, low, high]);
  }
  /** The whole number at or below x. */
  floor(x: Value): Value {
    return this.op('Floor', [x]);
  }
  /** The nearest whole number, the even one of two. */
  round(x: Value): Value {
    return this.op('Round', [x]);
  }
  /** −1, 0 or 1. */
  sign(x: Value): Value {
    return this.op('Sign', [x]);
  }
  /** 1 / (1 + e⁻ˣ). */
  sigmoid(x: Value): Value {
    return this.op('Sigmoid', [x]);
  }
  /** The hyperbolic tangent. */
  tanh(x: Value): Value {
    return this.op('Tanh', [x]);
  }
  /** max(x, 0). */
  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }
  /** log(1 + eˣ). */
  softplus(x: Value): Value {
    return this.op('Softplus', [x]);
  }

  /** True where a > b. */
  greater(a: Operand, b: Operand): Value {
    return this.op('Greater', [a, b]);
  }
  /** True where a < b. */
  less(a: Operand, b: Operand): Value {
    return this.op('Less', [a, b]);
  }
  /** True where a ≥ b. */
  greaterOrEqual(a: Operand, b: Operand): Value {
    return this.op('GreaterOrEqual', [a, b]);
  }
  /** True where a ≤ b. */
  lessOrEqual(a: Operand, b: Operand): Value {
    return this.op('LessOrEqual', [a, b]);
  }
  /** True where a = b. */
  equal(a: Operand, b: Operand): Value {
    return this.op('Equal', [a, b]);
  }
  /** True where both hold. */
  and(a: Value, b: Value): Value {
    return this.op('And', [a, b]);
  }
  /** True where either holds. */
  or(a: Value, b: Value): Value {
    return this.op('Or', [a, b]);
  }
  /** True where a does not hold. */
  not(a: Value): Value {
    return this.op('Not', [a]);
  }
  /** a where the condition holds, else b. */
  where(condition: Value, a: Operand, b: Operand): Value {
    const dtype = this.#dtypeAmong([a, b]);
    const lift = (operand: Operand) => (typeof operand === 'number' ? this.scalar(operand, dtype) : operand);
    return this.op('Where', [condition, lift(a), lift(b)]);
  }
  /** x in another type. */
  cast(x: Value, dtype: DType): Value {
    return this.dtypeOf(x) === dtype ? x : this.op('Cast', [x], { to: dtype });
  }
  /** 1 where the condition holds, else 0, of the type of `like`. */
  mask(condition: Value, like: Value): Value {
    return this.cast(condition, this.dtypeOf(like) ?? this.float);
  }
}
