import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';
import type { Cotangents, VjpContext } from '../ir/vjp.ts';

/** A sequence of steps, each starting from the states that the previous one returned. */
export interface Steps {
  /** Index of the node's input that is the first state. */
  readonly firstInput: number;
  /** The states at the start. */
  readonly initial: readonly Value[];
  /** States before each step, in the order of the steps, `[T, …]`. */
  readonly before: readonly Value[];
  /** Sequences `[T, …]`; each step reads a slice. */
  readonly sequences: readonly Value[];
  /** True for sequences read from the last slice to the first. */
  readonly sequencesBackward: readonly boolean[];
  /** For each stacked result, true if it is stacked from the last position to the first. */
  readonly resultsBackward: readonly boolean[];
  /** Appends a step: takes states and slices, returns the next states and the results. */
  readonly step: (s: Builder, states: readonly Value[], slices: readonly Value[]) => readonly Value[];
}

const not = (flags: readonly boolean[]) => flags.map((flag) => !flag);

/**
 * Backpropagation through time: a scan from the last step to the first. Its states are the cotangents of the states, and
 * the summed cotangents of values that all steps read.
 *
 * @returns the cotangents of the node's inputs; inputs that are sequences follow the states directly
 */
export function throughSteps(
  { g, node, inputs, dys, needs, within }: VjpContext,
  { firstInput, initial, before, sequences, sequencesBackward, resultsBackward, step }: Steps,
): Cotangents {
  const captured = inputs.slice(node.input.length);
  const count = initial.length;
  const real = range(count).filter((i) => g.isFloat(initial[i]));
  const wanted = range(sequences.length).filter(
    (k) => needs(firstInput + count + k) && g.isFloat(sequences[k]),
  );
  const shared = captured.filter((_, j) => needs(node.input.length + j));
  const arrived = range(resultsBackward.length).filter((r) => dys[count + r] !== undefined);
  const back = scan(
    g,
    {
      states: [...real.map((i) => dys[i] ?? g.zerosLike(initial[i])), ...shared.map((v) => g.zerosLike(v))],
      sequences: [...before, ...sequences, ...arrived.map((r) => dys[count + r] ?? '')],
      captured,
      backward: not([
        ...before.map(() => false),
        ...sequencesBackward,
        ...arrived.map((r) => resultsBackward[r]),
      ]),
      resultsBackward: not(wanted.map((k) => sequencesBackward[k])),
    },
    (s, now, at) => {
      const [cotangents, sums] = [now.slice(0, real.length), now.slice(real.length)];
      const [states, rest] = [at.slice(0, count), at.slice(count)];
      const [slices, given] = [rest.slice(0, sequences.length), rest.slice(sequences.length)];
      const outputs = step(s, states, slices);
      const seeds = [
        ...real.map((i, k): [Value, Value] => [outputs[i], cotangents[k]]),
        ...arrived.map((r, k): [Value, Value] => [outputs[count + r], given[k]]),
      ];
      const [ofStates, ofSlices] = [real.map((i) => states[i]), wanted.map((k) => slices[k])];
      const found = within(s, seeds, [...ofStates, ...ofSlices, ...shared]);
      const of = (value: Value) => found.get(value) ?? s.zerosLike(value);
      const added = shared.map((value, j) => {
        const term = found.get(value);
        return term === undefined ? sums[j] : s.add(sums[j], term);
      });
      return { states: [...ofStates.map(of), ...added], results: ofSlices.map(of) };
    },
  );
  const cotangents: (Value | undefined)[] = inputs.map(() => undefined);
  real.forEach((i, k) => (cotangents[firstInput + i] = back.states[k]));
  wanted.forEach((k, n) => (cotangents[firstInput + count + k] = back.results[n]));
  shared.forEach((value, j) => (cotangents[inputs.lastIndexOf(value)] = back.states[real.length + j]));
  return cotangents;
}
