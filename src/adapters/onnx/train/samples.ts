import { sizeOf } from '../../../core/layout.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { isStatic } from '../ir/shape.ts';
import type { Engine } from './engine.ts';
import type { Feeds } from './feeds.ts';
import { specOf, type InputSpec } from './inputs.ts';
import type { OrtTensor, OrtTensors } from './ort.ts';
import type { Mode } from './variants.ts';

/** Losses and gradients of samples, each computed as a batch of one. */
export interface SampleGradients {
  /** Loss of each sample, `[samples]`. */
  readonly losses: Float64Array;
  /** Gradient of each sample, `[samples, n]` row by row. */
  readonly gradients: Float64Array;
}

/** A model in one mode. */
interface SampleSource {
  readonly engine: Engine;
  readonly inputs: readonly InputSpec[];
  readonly mode: Mode;
}

/**
 * Evaluates each sample of some data as a batch of one.
 *
 * @param data - checked feeds
 * @param fed - the same with the random numbers of the batch, of which each sample keeps its own
 * @param evaluate - writes the gradient, `[n]`, and returns the loss
 * @throws OnnxError if a feed has no axis of samples, or a batch of one does not fit the model
 */
export async function eachSample(
  { engine, inputs, mode }: SampleSource,
  data: OrtTensors,
  fed: OrtTensors,
  evaluate: (data: OrtTensors, gradient: Float64Array) => Promise<number>,
): Promise<SampleGradients> {
  const entries = Object.entries(data);
  const samples = entries[0]?.[1].dims[0] ?? 0;
  const faults = entries
    .filter(([, { dims }]) => dims[0] !== samples)
    .map(([name, { dims }]) =>
      fault(
        `sampleGradients: feed ${JSON.stringify(name)} has shape [${dims.join(', ')}]; the first axis of every feed must hold the ${samples} samples.`,
      ),
    );
  const graph = engine.fedIn(mode);
  const firsts = new Set([...graph.inputs, ...graph.targets].map(({ shape }) => shape?.[0]));
  /** Inputs for random numbers with one row for each sample; the others are shared by all samples. */
  const own = new Set<string>();
  for (const { name, shape } of graph.noise) {
    if (typeof shape?.[0] === 'string' && firsts.has(shape[0])) own.add(name);
    else if (!isStatic(shape))
      faults.push(
        fault(
          `sampleGradients: random numbers ${JSON.stringify(name)} have shape [${fed[name].dims.join(', ')}]; the first axis must hold the ${samples} samples. With dropout: 'off', there are no masks.`,
        ),
      );
  }
  if (faults.length > 0) throw new OnnxError(faults);
  const specs = [...inputs, ...graph.noise.map(specOf)];
  const n = engine.weights.params.length;
  const losses = new Float64Array(samples);
  const gradients = new Float64Array(samples * n);
  for (let i = 0; i < samples; i++) {
    const rows = [...entries, ...graph.noise.map(({ name }) => [name, fed[name]] as const)];
    const isRow = (name: string) => name in data || own.has(name);
    const feeds: Feeds = Object.fromEntries(
      rows.map(([name, tensor]) => [name, isRow(name) ? rowOf(tensor, i) : tensor]),
    );
    const gradient = gradients.subarray(i * n, (i + 1) * n);
    losses[i] = await evaluate(engine.checked(specs, feeds), gradient);
  }
  return { losses, gradients };
}

/** Returns sample i of a tensor, as numbers and their shape. */
function rowOf({ data, dims }: OrtTensor, i: number) {
  const [, ...rest] = dims;
  const size = sizeOf(rest);
  // A copy: some runtimes need the data of a feed to begin at the start of their buffer.
  const row = (data as Float32Array).slice(i * size, (i + 1) * size);
  return { data: row, dims: [1, ...rest] };
}
