import type { Attributes } from '../graph/attributes.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { scan } from '../graph/scan.ts';
import { range } from '../graph/shape.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** One step of a cell: from what it gets from the input, [B, k·H], and its states to the next states. */
type Step = (s: Builder, fromInput: Value, states: readonly Value[], weights: StepWeights) => Value[];

interface StepWeights {
  readonly hidden: number;
  /** [H, k·H], and [k·H]. */
  readonly R: Value;
  readonly bias: Value | undefined;
  readonly attributes: Attributes;
}

const gates = (s: Builder, z: Value, hidden: number, k: number) =>
  s.ops('Split', [z, s.integers(range(k).fill(hidden))], { axis: 1 }, k);

const fromState = (s: Builder, h: Value, { R, bias }: StepWeights) => {
  const product = s.matmul(h, R);
  return bias ? s.add(product, bias) : product;
};

const rnn: Step = (s, x, [h], weights) => {
  const z = s.add(x, fromState(s, h, weights));
  const relu = (weights.attributes.strings('activations')?.[0] ?? 'Tanh').toLowerCase() === 'relu';
  return [relu ? s.op('Relu', [z]) : s.tanh(z)];
};

const lstm: Step = (s, x, [h, c], weights) => {
  const [i, o, f, n] = gates(s, s.add(x, fromState(s, h, weights)), weights.hidden, 4);
  const next = s.add(s.mul(s.sigmoid(f), c), s.mul(s.sigmoid(i), s.tanh(n)));
  return [s.mul(s.sigmoid(o), s.tanh(next)), next];
};

const gru: Step = (s, x, [h], weights) => {
  const { hidden, R, bias, attributes } = weights;
  const [xz, xr, xn] = gates(s, x, hidden, 3);
  const [hz, hr, hn] = gates(s, fromState(s, h, weights), hidden, 3);
  const [z, r] = [s.sigmoid(s.add(xz, hz)), s.sigmoid(s.add(xr, hr))];
  let recalled = s.mul(r, hn);
  if (attributes.int('linear_before_reset', 0) === 0) {
    recalled = s.matmul(s.mul(r, h), s.slice(R, 2 * hidden, 3 * hidden, 1));
    if (bias) recalled = s.add(recalled, s.slice(bias, 2 * hidden, 3 * hidden, 0));
  }
  const n = s.tanh(s.add(xn, recalled));
  return [s.add(s.mul(s.sub(1, z), n), s.mul(z, h))];
};

const recurrent =
  (k: number, stateCount: number, step: Step): Lowering =>
  (g, node, attributes) => {
    const [X, W, R, B, , ...initials] = node.input;
    const hidden = attributes.int('hidden_size', 0);
    const way = attributes.string('direction', 'forward');
    const of = (value: Value, d: number) => g.squeeze(g.slice(value, d, d + 1, 0), [0]);
    const zeros = () => g.filled(g.concat([g.sizes(X, [1]), g.integers([hidden])], 0), 0, g.dtypeOf(X));
    const runs = range(way === 'bidirectional' ? 2 : 1).map((d) => {
      const [wb, rb] = B
        ? g.ops('Split', [of(B, d), g.integers([k * hidden, k * hidden])], { axis: 0 }, 2)
        : [];
      const product = g.matmul(X, g.transpose(of(W, d), [1, 0]));
      const weight = g.transpose(of(R, d), [1, 0]);
      return scan(
        g,
        {
          states: range(stateCount).map((i) => (initials[i] ? of(initials[i], d) : zeros())),
          sequences: [wb ? g.add(product, wb) : product],
          captured: rb ? [weight, rb] : [weight],
          backward: way === 'reverse' || d === 1,
        },
        (s, states, [x]) => {
          const next = step(s, x, states, { hidden, R: weight, bias: rb, attributes });
          return { states: next, results: [next[0]] };
        },
      );
    });
    const stacked = (parts: readonly Value[], axis: number) =>
      g.concat(
        parts.map((part) => g.unsqueeze(part, [axis])),
        axis,
      );
    return [
      stacked(
        runs.map(({ results }) => results[0]),
        1,
      ),
      ...range(stateCount).map((i) =>
        stacked(
          runs.map(({ states }) => states[i]),
          0,
        ),
      ),
    ];
  };

/** Recurrent layers step by step, which ONNX Runtime has no float64 kernels for. */
export const recurrentKernels = new Map<string, Lowering>([
  ['LSTM', recurrent(4, 2, lstm)],
  ['GRU', recurrent(3, 1, gru)],
  ['RNN', recurrent(1, 1, rnn)],
]);
