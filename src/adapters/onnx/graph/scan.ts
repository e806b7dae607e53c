import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema } from 'onnx-buf';
import { Builder } from './builder.ts';
import type { Value } from './graph.ts';
import { unknownShape } from './shape.ts';

/** One step of a scan: from the states and this step's slices to the next states and this step's results. */
export type ScanStep = (
  g: Builder,
  states: readonly Value[],
  slices: readonly Value[],
) => { readonly states: readonly Value[]; readonly results: readonly Value[] };

/** What a scan runs over. */
export interface ScanInputs {
  /** Their values before the first step. */
  readonly states: readonly Value[];
  /** Sequences [T, …], all of one length. */
  readonly sequences: readonly Value[];
  /** Values of the graph outside that a step reads. */
  readonly captured: readonly Value[];
  /** Whether to go from the last slice to the first. */
  readonly backward: boolean;
}

/** Runs a step along sequences; results are stacked at the places of the slices they came from. */
export function scan(
  g: Builder,
  { states, sequences, captured, backward }: ScanInputs,
  step: ScanStep,
): { states: Value[]; results: Value[] } {
  const name = g.fresh('Scan_body');
  const body = new Builder(create(GraphProtoSchema, { name }), g.float, [], `${name}/`);
  for (const value of captured) body.types.set(value, g.types.get(value) ?? {});
  const slice = (value: Value) => g.shapeOf(value)?.slice(1);
  const inner = states.map((state) =>
    body.addInput(body.fresh('state'), g.floatTypeOf(state), g.shapeOf(state)),
  );
  const slices = sequences.map((sequence) =>
    body.addInput(body.fresh('slice'), g.floatTypeOf(sequence), slice(sequence)),
  );
  const made = step(body, inner, slices);
  for (const value of [...made.states, ...made.results]) body.addOutput(body.fresh('out'), value);
  const direction = backward ? 1 : 0;
  const outputs = g.ops(
    'Scan',
    [...states, ...sequences],
    {
      body: body.proto,
      num_scan_inputs: sequences.length,
      scan_input_directions: sequences.map(() => direction),
      scan_output_directions: made.results.map(() => direction),
    },
    made.states.length + made.results.length,
  );
  const time = g.shapeOf(sequences[0])?.[0] ?? unknownShape(1)[0];
  outputs.forEach((output, k) => {
    const shape = body.shapeOf([...made.states, ...made.results][k]);
    const stacked = k < states.length ? shape : shape && [time, ...shape];
    g.types.set(output, { dtype: g.dtypeOf(sequences[0]), shape: stacked });
  });
  return { states: outputs.slice(0, states.length), results: outputs.slice(states.length) };
}
