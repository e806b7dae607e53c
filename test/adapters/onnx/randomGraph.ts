import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema } from 'onnx-buf';
import type { Value } from 'quasi-newton/onnx';
import { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { opKnowledge } from '../../../src/adapters/onnx/ops/infer.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { random, realInput, size } from './cases/arbitrary.ts';
import type { Input } from './harness.ts';

/** One op of a graph: from the values before it to its result. */
type Step = (g: Builder, values: readonly Value[]) => Value;

/** A graph of 5 to 30 ops, drawn at random, and data for it. */
export interface RandomGraph {
  readonly inputs: Readonly<Record<string, Input>>;
  /** Writes the graph: every value that no op uses, added up. */
  readonly build: (g: Builder, inputs: Readonly<Record<string, Value>>) => Value;
}

// Those with a float64 kernel of their own come often; the others, which stand for many nodes each, rarely.
const unary = ['Tanh', 'Sigmoid', 'Sin', 'Cos', 'Relu', 'Abs', 'Neg'];
const composed = ['Softplus', 'Erf', 'Atan', 'Softsign', 'Elu', 'LeakyRelu', 'Gelu', 'HardSwish', 'Mish'];
const binary = ['Add', 'Sub', 'Mul', 'Max', 'Min'];
const reductions = ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp', 'ReduceSumSquare'];

/** Draws ops that fit the shapes at hand; a value grows no larger than a few units, so that no digits are lost. */
export function randomGraph(seed: number): RandomGraph {
  const next = random(seed);
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const dims = (rank: number) => Array.from({ length: rank }, () => 1 + below(3));

  const names = Array.from({ length: 2 + below(3) }, (_, i) => `x${i}`);
  const inputs = Object.fromEntries(names.map((name, i) => [name, realInput(dims(below(5)), seed * 7 + i)]));
  // A graph of known sizes, built alongside, tells what fits.
  const model = new Builder(create(GraphProtoSchema, { name: 'model' }), opKnowledge, DType.DOUBLE, [], 'm/');
  const values: Value[] = names.map((name) => model.addInput(name, DType.DOUBLE, inputs[name].shape));
  const shape = (i: number) => (model.shapeOf(values[i]) ?? []).map(Number);
  const steps: Step[] = [];
  const used = new Set<number>();

  const take = (...indices: number[]) => indices.forEach((k) => used.add(k));

  const draw = (): Step | undefined => {
    const i = below(values.length);
    const s = shape(i);
    const rank = s.length;
    const axis = below(Math.max(1, rank)) - (next() < 0.5 ? rank : 0);
    const at = axis < 0 ? axis + rank : axis;
    const other = below(values.length);
    const t = shape(other);
    const op = below(22);
    if (op < 5) {
      const name = pick(next() < 0.1 ? composed : unary);
      take(i);
      return (g, v) => g.op(name, [v[i]]);
    }
    if (op < 9) {
      const fits = s
        .toReversed()
        .every((d, k) => k >= t.length || d === 1 || t[t.length - 1 - k] === 1 || d === t[t.length - 1 - k]);
      if (!fits || size(s) * size(t) > 200) return undefined;
      const name = pick(binary);
      take(i, other);
      return (g, v) => g.tanh(g.op(name, [v[i], v[other]]));
    }
    if (op === 9) {
      take(i);
      return (g, v) => g.div(v[i], g.add(g.square(g.op('Sin', [v[i]])), 1));
    }
    if (op === 10) {
      if (rank === 0) return undefined;
      const name = pick(reductions);
      const keepdims = below(2);
      take(i);
      return (g, v) => g.tanh(g.op(name, [g.add(v[i], 0.1), g.integers([axis])], { keepdims }));
    }
    if (op === 11) {
      if (rank === 0) return undefined;
      const name = pick(['Softmax', 'LogSoftmax']);
      take(i);
      return (g, v) => g.op(name, [v[i]], { axis });
    }
    if (op === 12) {
      const order = s.map((_, k) => k).toSorted(() => next() - 0.5);
      take(i);
      return (g, v) => g.op('Transpose', [v[i]], { perm: order });
    }
    if (op === 13) {
      if (size(s) > 100) return undefined;
      const to = rank === 0 ? [1] : pick([[-1], [1, -1], [-1, 1]]);
      take(i);
      return (g, v) => g.reshape(v[i], to);
    }
    if (op === 14) {
      if (rank === 0 || size(s) > 100) return undefined;
      take(i);
      return (g, v) => g.concat([v[i], v[i], g.neg(v[i])], axis);
    }
    if (op === 15) {
      if (rank === 0 || s[at] < 2) return undefined;
      const step = pick([1, 1, -1, 2]);
      take(i);
      return (g, v) =>
        g.op('Slice', [
          v[i],
          g.integers([step < 0 ? -1 : 1]),
          g.integers([step < 0 ? 0 : 3]),
          g.integers([axis]),
          g.integers([step]),
        ]);
    }
    if (op === 16) {
      if (rank === 0 || size(s) > 60) return undefined;
      const pads = s.flatMap(() => [below(2), below(2)]);
      const mode = pick(['constant', 'edge']);
      take(i);
      return (g, v) => g.op('Pad', [v[i], g.integers(pads)], { mode });
    }
    if (op === 17) {
      if (rank === 0) return undefined;
      const picked = Array.from({ length: 2 }, () => below(s[at]));
      take(i);
      return (g, v) => g.op('Gather', [v[i], g.integers(picked)], { axis });
    }
    if (op === 18) {
      if (rank < 1 || s[rank - 1] < 2) return undefined;
      take(i);
      return (g, v) => {
        const last = g.constant(
          g.float,
          [s[rank - 1]],
          Array.from({ length: s[rank - 1] }, (_, k) => 1 + 0.1 * k),
        );
        return g.op('LayerNormalization', [v[i], last], { axis: -1, epsilon: 0.1 });
      };
    }
    if (op === 19) {
      if (rank < 2 || t.length < 2 || s[rank - 1] !== t[t.length - 2] || rank !== t.length) return undefined;
      const batches = s.slice(0, -2).every((d, k) => d === 1 || t[k] === 1 || d === t[k]);
      if (!batches) return undefined;
      take(i, other);
      return (g, v) => g.tanh(g.matmul(v[i], v[other]));
    }
    if (op === 20) {
      if (rank !== 3) return undefined;
      const weights = realInput([2, s[1], 2], seed + values.length);
      take(i);
      return (g, v) =>
        g.tanh(
          g.op('Conv', [v[i], g.constant(g.float, weights.shape, weights.values)], {
            pads: [1, 1],
            strides: [1 + (seed % 2)],
          }),
        );
    }
    if (t.join() !== s.join()) return undefined;
    take(i, other);
    return (g, v) => g.where(g.greater(v[i], 0.05), v[other], g.mul(v[i], 0.3));
  };

  const wanted = 5 + below(1 + below(26));
  while (steps.length < wanted) {
    const step = draw();
    if (step === undefined) continue;
    values.push(step(model, values));
    steps.push(step);
  }
  const loose = values.map((_, i) => i).filter((i) => !used.has(i));
  return {
    inputs,
    build(g, named) {
      const made = names.map((name) => named[name]);
      for (const step of steps) made.push(step(g, made));
      // Coefficients that differ, so that no two elements can be mistaken for each other.
      const y = g.tanh(
        g.concat(
          loose.map((i) => g.flat(made[i])),
          0,
        ),
      );
      const coefficients = g.op('Sin', [g.mul(1.7, g.op('CumSum', [y, g.scalar(0, DType.INT64)]))]);
      return g.sumOfAll(g.mul(y, g.add(coefficients, 1.3)));
    },
  };
}
