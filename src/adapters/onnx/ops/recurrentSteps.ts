import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../ir/op.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { activationsOf, type Activation } from './recurrentActivations.ts';

/** One step of a cell: takes the terms from the input, `[B, k·H]`, and the states; returns the next states. */
export type Step = (s: Builder, fromInput: Value, states: readonly Value[], weights: StepWeights) => Value[];

/** Weights and settings of a cell. */
interface StepWeights {
  readonly hidden: number;
  /** Recurrent weights, transposed: `[H, k·H]`. */
  readonly R: Value;
  /** Recurrent bias, `[k·H]`. */
  readonly bias: Value | undefined;
  /** Peephole weights of the gates i, o and f, `[H]` each. */
  readonly peepholes: readonly Value[];
  readonly activations: readonly Activation[];
  readonly attributes: Attributes;
}

const gates = (s: Builder, z: Value, hidden: number, k: number) => s.split(z, range(k).fill(hidden), 1);

const fromState = (s: Builder, h: Value, { R, bias }: StepWeights) => {
  const product = s.matmul(h, R);
  return bias ? s.add(product, bias) : product;
};

/** Applies activation i of a cell; its input is clipped if the layer has the attribute `clip`. */
const activate = (s: Builder, { activations, attributes }: StepWeights, i: number, z: Value) => {
  const clip = attributes.float('clip', 0);
  return activations[i](s, attributes.has('clip') ? s.clip(z, -clip, clip) : z);
};

export const rnnStep: Step = (s, x, [h], weights) => [
  activate(s, weights, 0, s.add(x, fromState(s, h, weights))),
];

export const lstmStep: Step = (s, x, [h, c], weights) => {
  const { hidden, peepholes, attributes } = weights;
  const [zi, zo, zf, zn] = gates(s, s.add(x, fromState(s, h, weights)), hidden, 4);
  const gate = (z: Value, k: number, cell: Value) =>
    activate(s, weights, 0, peepholes[k] ? s.add(z, s.mul(peepholes[k], cell)) : z);
  const i = gate(zi, 0, c);
  const forget = attributes.int('input_forget', 0) ? s.sub(1, i) : gate(zf, 2, c);
  const next = s.add(s.mul(forget, c), s.mul(i, activate(s, weights, 1, zn)));
  return [s.mul(gate(zo, 1, next), weights.activations[2](s, next)), next];
};

export const gruStep: Step = (s, x, [h], weights) => {
  const { hidden, R, bias, attributes } = weights;
  const [xz, xr, xn] = gates(s, x, hidden, 3);
  const [hz, hr, hn] = gates(s, fromState(s, h, weights), hidden, 3);
  const [z, r] = [activate(s, weights, 0, s.add(xz, hz)), activate(s, weights, 0, s.add(xr, hr))];
  let recalled = s.mul(r, hn);
  if (attributes.int('linear_before_reset', 0) === 0) {
    recalled = s.matmul(s.mul(r, h), s.slice(R, 2 * hidden, 3 * hidden, 1));
    if (bias) recalled = s.add(recalled, s.slice(bias, 2 * hidden, 3 * hidden, 0));
  }
  const n = activate(s, weights, 1, s.add(xn, recalled));
  return [s.add(s.mul(s.sub(1, z), n), s.mul(z, h))];
};

/** State before the first step if the layer is given none, `[B, H]`. */
export const zeroState = (g: Builder, X: Value, hidden: number): Value =>
  g.filled(g.concat([g.sizes(X, [1]), g.integers([hidden])], 0), 0, g.dtypeOf(X));

/** True for the steps inside each sequence, `[T, B, 1]`. */
function within(g: Builder, X: Value, lengths: Value): Value {
  return g.less(g.places(g.sizes(X, [0]), 0, 3), g.reshape(g.cast(lengths, DType.INT64), [1, -1, 1]));
}

/**
 * Writes a layer as a Scan, step by step: for float64, for which ONNX Runtime has no kernels, and for layers without a
 * rule.
 *
 * @param byDefault - the activations of one direction
 * @param k - number of gates
 */
export const stepByStep =
  (byDefault: readonly string[], k: number, stateCount: number, step: Step): Lowering =>
  (g, node, attributes) => {
    if (attributes.int('layout', 0) !== 0) {
      refuse('layout = 1 has no rule; ONNX Runtime has no kernel for it either.');
    }
    const [X, W, R, B, lengths, h, c, P] = node.input;
    const initials = [h, c];
    const hidden = attributes.has('hidden_size')
      ? attributes.int('hidden_size', 0)
      : Number(g.shapeOf(R)?.[2] ?? refuse('its hidden_size is not known before the model runs.'));
    const way = attributes.string('direction', 'forward');
    const directions = way === 'bidirectional' ? 2 : 1;
    const activations = activationsOf(attributes, byDefault, directions);
    const of = (value: Value, d: number) => g.squeeze(g.slice(value, d, d + 1, 0), [0]);
    const split = (value: Value, d: number, sizes: readonly number[]) => g.split(of(value, d), sizes, 0);
    const mask = lengths ? within(g, X, lengths) : undefined;
    const runs = range(directions).map((d) => {
      const [wb, rb] = B ? split(B, d, [k * hidden, k * hidden]) : [];
      const peepholes = P ? split(P, d, [hidden, hidden, hidden]) : [];
      const product = g.matmul(X, g.transpose(of(W, d), [1, 0]));
      const weight = g.transpose(of(R, d), [1, 0]);
      const weights = { hidden, R: weight, bias: rb, peepholes, activations: activations[d], attributes };
      return scan(
        g,
        {
          states: range(stateCount).map((i) => (initials[i] ? of(initials[i], d) : zeroState(g, X, hidden))),
          sequences: [wb ? g.add(product, wb) : product, ...(mask ? [mask] : [])],
          captured: [weight, ...(rb ? [rb] : []), ...peepholes],
          backward: way === 'reverse' || d === 1,
        },
        (s, states, [x, inside]) => {
          const next = step(s, x, states, weights);
          if (inside === undefined) return { states: next, results: [next[0]] };
          // After the end of its sequence, a sample keeps its state, and its output is 0.
          const held = next.map((state, i) => s.where(inside, state, states[i]));
          return { states: held, results: [s.where(inside, next[0], 0)] };
        },
      );
    });
    const outputs = runs.map(({ results }) => results[0]);
    const last = (i: number) => runs.map(({ states }) => states[i]);
    return [g.stack(outputs, 1), ...range(stateCount).map((i) => g.stack(last(i), 0))];
  };
