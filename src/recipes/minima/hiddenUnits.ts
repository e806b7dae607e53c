import { show } from '../../core/options.ts';
import { roleOf } from '../landscape/roles.ts';
import { sizeOf, type Layout, type TensorEntry } from '../../core/layout.ts';

/**
 * Places of one hidden layer's units in the parameter vector: the incoming weights, bias and outgoing weights of unit u
 * are at `places[u]`, in the same order for all units.
 */
export interface HiddenLayer {
  readonly name: string;
  readonly places: readonly Uint32Array[];
}

/** A weight with the axes of its inputs and outputs. */
interface Weight {
  readonly tensor: TensorEntry;
  readonly input: number;
  readonly output: number;
  /** Vectors with an element for each output, such as a bias. */
  readonly vectors: TensorEntry[];
}

/**
 * Returns the hidden layers of a chain of dense layers and convolutions, each feeding the next.
 *
 * @throws RangeError if the tensors do not form such a chain
 */
export function hiddenLayers(where: string, layout: Layout): HiddenLayer[] {
  const weights: Weight[] = [];
  for (const tensor of layout.tensors) {
    const last = weights[weights.length - 1];
    if (tensor.shape.length >= 2) weights.push(weightOf(where, tensor));
    else if (last !== undefined && tensor.size === last.tensor.shape[last.output]) last.vectors.push(tensor);
    else throw refusal(where, `${show(tensor.name)} fits no layer before it`);
  }
  if (weights.length < 2) throw refusal(where, 'there is no hidden layer');
  return weights.slice(1).map((next, l) => layerBetween(where, weights[l], next));
}

const refusal = (where: string, why: string) =>
  new RangeError(
    `${where}: units can be permuted only in a chain of dense layers and convolutions, each feeding the next; ${why}. Connect the models as they are.`,
  );

function weightOf(where: string, tensor: TensorEntry): Weight {
  const { kind, filterAxes = [] } = roleOf(tensor);
  const { name, shape } = tensor;
  if (kind !== 'weight' || filterAxes.length !== 1)
    throw refusal(where, `${show(name)} is not a weight of such a layer`);
  const [output] = filterAxes;
  const rank = shape.length;
  if (rank === 2) return { tensor, output, input: 1 - output, vectors: [] };
  if (output === rank - 1) return { tensor, output, input: rank - 2, vectors: [] };
  if (output === 0) return { tensor, output, input: 1, vectors: [] };
  throw refusal(where, `the outputs of ${show(name)} are neither its first axis nor its last`);
}

function layerBetween(where: string, weight: Weight, next: Weight): HiddenLayer {
  const units = weight.tensor.shape[weight.output];
  const inputs = next.tensor.shape[next.input];
  if (inputs % units !== 0) {
    throw refusal(
      where,
      `${show(next.tensor.name)} has ${inputs} inputs for ${units} outputs of ${show(weight.tensor.name)}`,
    );
  }
  const spread = inputs / units;
  // When feature maps are flattened, each channel becomes several inputs, side by side if channels come first.
  const channelsLast = weight.output === weight.tensor.shape.length - 1;
  const places = Array.from({ length: units }, (_, u) => {
    const fed = Array.from({ length: spread }, (_, p) => (channelsLast ? p * units + u : u * spread + p));
    return Uint32Array.from([
      ...sliceOf(weight.tensor, weight.output, u),
      ...weight.vectors.map(({ offset }) => offset + u),
      ...fed.flatMap((index) => sliceOf(next.tensor, next.input, index)),
    ]);
  });
  return { name: weight.tensor.name, places };
}

/** Returns the places of the elements with this index along an axis. */
function sliceOf({ offset, shape, size }: TensorEntry, axis: number, index: number): number[] {
  const stride = sizeOf(shape.slice(axis + 1));
  const outer = size / (stride * shape[axis]);
  return Array.from(
    { length: outer * stride },
    (_, k) => offset + Math.floor(k / stride) * stride * shape[axis] + index * stride + (k % stride),
  );
}
