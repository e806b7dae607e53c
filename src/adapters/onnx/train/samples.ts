import { fault, OnnxError } from '../ir/errors.ts';
import type { Engine } from './engine.ts';
import type { Feeds } from './feeds.ts';
import type { InputSpec } from './inputs.ts';
import type { OrtTensor, OrtTensors } from './ort.ts';

/** Losses of samples, each as a batch of its own, and their gradients. */
export interface SampleGradients {
  /** `[samples]` */
  readonly losses: Float64Array;
  /** `[samples, n]` row by row. */
  readonly gradients: Float64Array;
}

/**
 * Evaluates each sample of some data as a batch of one.
 *
 * @param evaluate - writes the gradient, `[n]`, and returns the loss
 * @throws OnnxError if a feed has no axis of samples, or a batch of one does not fit the model
 */
export async function eachSample(
  engine: Engine,
  inputs: readonly InputSpec[],
  data: OrtTensors,
  evaluate: (data: OrtTensors, gradient: Float64Array) => Promise<number>,
): Promise<SampleGradients> {
  const entries = Object.entries(data);
  const samples = entries[0]?.[1].dims[0] ?? 0;
  const faults = entries
    .filter(([, { dims }]) => dims[0] !== samples)
    .map(([name, { dims }]) =>
      fault(
        `sampleGradients: feed ${JSON.stringify(name)} has shape [${dims.join(', ')}]; the samples, ${samples}, must lie along the first axis of every feed.`,
      ),
    );
  if (faults.length > 0) throw new OnnxError(faults);
  const n = engine.weights.params.length;
  const losses = new Float64Array(samples);
  const gradients = new Float64Array(samples * n);
  for (let i = 0; i < samples; i++) {
    const feeds: Feeds = Object.fromEntries(entries.map(([name, tensor]) => [name, rowOf(tensor, i)]));
    const gradient = gradients.subarray(i * n, (i + 1) * n);
    losses[i] = await evaluate(engine.checked(inputs, feeds), gradient);
  }
  return { losses, gradients };
}

/** Sample i of a tensor as numbers and their shape. */
function rowOf({ data, dims }: OrtTensor, i: number) {
  const [, ...rest] = dims;
  const size = rest.reduce((a, b) => a * b, 1);
  // A copy: what a run is fed with must begin where its memory does in some runtimes.
  const row = (data as Float32Array).slice(i * size, (i + 1) * size);
  return { data: row, dims: [1, ...rest] };
}
