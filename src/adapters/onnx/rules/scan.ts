import type { GraphProto } from 'onnx-buf';
import { refuse } from '../errors.ts';
import { subgraphsOf } from '../graph/attributes.ts';
import { doBody } from '../graph/body.ts';
import type { Value } from '../graph/graph.ts';
import { scan } from '../graph/scan.ts';
import { range } from '../graph/shape.ts';
import type { VjpContext, VjpRule } from '../vjp.ts';

/** How a Scan node is laid out: states come first, in its inputs and outputs and in those of its body. */
interface Layout {
  readonly body: GraphProto;
  readonly states: number;
  /** For each sequence, and each result, whether it runs from the last place to the first. */
  readonly sequences: readonly boolean[];
  readonly results: readonly boolean[];
}

function layoutOf({ node, attributes }: VjpContext): Layout {
  const axes = ['scan_input_axes', 'scan_output_axes'].flatMap((name) => attributes.ints(name) ?? []);
  if (axes.some((axis) => axis !== 0)) refuse('a Scan along other axes than the first has no rule.');
  const [body] = subgraphsOf(node);
  const count = attributes.int('num_scan_inputs', 0);
  const states = node.input.length - count;
  if (body === undefined || count < 1 || states < 0 || body.input.length !== node.input.length)
    refuse('its body and its inputs do not fit together.');
  const backward = (name: string, n: number) => {
    const directions = attributes.ints(name);
    return range(n).map((i) => directions?.[i] === 1);
  };
  return {
    body,
    states,
    sequences: backward('scan_input_directions', count),
    results: backward('scan_output_directions', body.output.length - states),
  };
}

const not = (flags: readonly boolean[]) => flags.map((flag) => !flag);

/**
 * Backpropagation through time: one scan to learn the states again, which are not kept, and one from the last step
 * to the first, whose states are the cotangents of the states, and sums for what all steps read.
 */
export const scanRule: VjpRule = (c) => {
  const { g, node, inputs, dys, needs, within } = c;
  const { body, states, sequences, results } = layoutOf(c);
  const captured = inputs.slice(node.input.length);
  const [initial, slices] = [inputs.slice(0, states), inputs.slice(states, node.input.length)];
  const real = range(states).filter((i) => g.isFloat(initial[i]));
  const wantedSlices = range(slices.length).filter((k) => needs(states + k));
  const shared = captured.filter((_, j) => needs(node.input.length + j));
  const arrived = range(results.length).filter((r) => dys[states + r] !== undefined);

  const before = scan(
    g,
    {
      states: initial,
      sequences: slices,
      captured,
      backward: sequences,
      resultsBackward: initial.map(() => false),
    },
    (s, now, at) => ({ states: doBody(s, body, [...now, ...at]).slice(0, states), results: now }),
  ).results;

  const back = scan(
    g,
    {
      states: [...real.map((i) => dys[i] ?? g.zerosLike(initial[i])), ...shared.map((v) => g.zerosLike(v))],
      sequences: [...before, ...slices, ...arrived.map((r) => dys[states + r] ?? '')],
      captured,
      backward: not([...before.map(() => false), ...sequences, ...arrived.map((r) => results[r])]),
      resultsBackward: not(wantedSlices.map((k) => sequences[k])),
    },
    (s, now, at) => {
      const [cotangents, sums] = [now.slice(0, real.length), now.slice(real.length)];
      const [inner, given] = [at.slice(0, states + slices.length), at.slice(states + slices.length)];
      const outputs = doBody(s, body, inner);
      const seeds = [
        ...real.map((i, k): [Value, Value] => [outputs[i], cotangents[k]]),
        ...arrived.map((r, k): [Value, Value] => [outputs[states + r], given[k]]),
      ];
      const [stateValues, sliceValues] = [
        real.map((i) => inner[i]),
        wantedSlices.map((k) => inner[states + k]),
      ];
      const found = within(s, seeds, [...stateValues, ...sliceValues, ...shared]);
      const of = (value: Value) => found.get(value) ?? s.zerosLike(value);
      const added = shared.map((value, j) => {
        const term = found.get(value);
        return term === undefined ? sums[j] : s.add(sums[j], term);
      });
      return { states: [...stateValues.map(of), ...added], results: sliceValues.map(of) };
    },
  );

  const cotangents: (Value | undefined)[] = inputs.map(() => undefined);
  real.forEach((i, k) => (cotangents[i] = back.states[k]));
  wantedSlices.forEach((k, n) => (cotangents[states + k] = back.results[n]));
  shared.forEach((value, j) => (cotangents[inputs.lastIndexOf(value)] = back.states[real.length + j]));
  return cotangents;
};
