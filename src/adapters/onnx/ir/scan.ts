import { bodyIn } from './body.ts';
import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';
import { range } from './shape.ts';

/** The op that runs a subgraph once for each slice of its sequences. */
export const SCAN = 'Scan';

/** One step of a scan: takes the states and this step's slices, returns the next states and this step's results. */
export type ScanStep = (
  g: Builder,
  states: readonly Value[],
  slices: readonly Value[],
) => { readonly states: readonly Value[]; readonly results: readonly Value[] };

/** The values that a scan runs over. */
export interface ScanInputs {
  /** States before the first step. */
  readonly states: readonly Value[];
  /** Sequences `[T, …]`, all of the same length. */
  readonly sequences: readonly Value[];
  /** Values of the surrounding graph that a step reads. */
  readonly captured: readonly Value[];
  /** True to run from the last slice to the first: one flag for all sequences, or one for each. */
  readonly backward: boolean | readonly boolean[];
  /** For each result, true to stack it from the last position to the first. @defaultValue as `backward` */
  readonly resultsBackward?: readonly boolean[];
}

const directions = (count: number, backward: boolean | readonly boolean[]) =>
  range(count).map((i) => Number(typeof backward === 'boolean' ? backward : backward[i]));

/** Appends a Scan that runs a step along sequences. Results are stacked at the positions of their slices. */
export function scan(
  g: Builder,
  { states, sequences, captured, backward, resultsBackward }: ScanInputs,
  step: ScanStep,
): { states: Value[]; results: Value[] } {
  const body = bodyIn(g, captured);
  const dtypeOf = (value: Value) => g.dtypeOf(value) ?? g.float;
  const inner = states.map((state) => body.addInput(body.fresh('state'), dtypeOf(state), g.shapeOf(state)));
  const slices = sequences.map((sequence) =>
    body.addInput(body.fresh('slice'), dtypeOf(sequence), g.shapeOf(sequence)?.slice(1)),
  );
  const made = step(body, inner, slices);
  for (const value of [...made.states, ...made.results]) body.addOutput(body.fresh('out'), value);
  const outputs = g.ops(
    SCAN,
    [...states, ...sequences],
    {
      body: body.proto,
      num_scan_inputs: sequences.length,
      scan_input_directions: directions(sequences.length, backward),
      scan_output_directions: directions(made.results.length, resultsBackward ?? backward),
    },
    made.states.length + made.results.length,
  );
  return { states: outputs.slice(0, states.length), results: outputs.slice(states.length) };
}
