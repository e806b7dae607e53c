import type { GraphProto } from 'onnx-buf';
import { show } from '../../../core/options.ts';
import { subgraphsOf } from '../ir/attributes.ts';
import { checkBytes } from '../ir/model.ts';
import { namesIn } from '../ir/names.ts';
import { isFloat, isHalf, numbersOf, shapeOf, type TensorProto } from '../ir/tensor.ts';
import { checkFileOptions, type FileOptions } from '../options.ts';
import { writeBack, type NewValues } from '../train/writeBack.ts';
import { editableModel } from './editable.ts';
import { names, productOf, sourceOf, type Product } from './lora.ts';
import { wrong } from './modelWriter.ts';
import { graph, type Network } from './network.ts';

/**
 * Returns the original file with the trained low-rank product added to its weights: W + (alpha / rank)·A·B.
 * It runs anywhere, as fast as before.
 *
 * @param original - the file passed to {@link lora}
 * @param adapted - its result after training: `model.toBytes()`
 * @throws OnnxError if the files do not belong together, or if a weight is quantized or read by other nodes, too
 */
export function mergeLora(original: Uint8Array, adapted: Uint8Array, options: FileOptions = {}): Uint8Array {
  checkFileOptions('mergeLora', options);
  for (const bytes of [original, adapted]) checkBytes('mergeLora', bytes);
  const { externalData } = options;
  const before = tensorsOf(editableModel(original, externalData).graph);
  const g = graph({ extend: adapted, ...options });
  const learned = tensorsOf(g.proto);
  const weights = [...learned.keys()]
    .filter((name) => name.endsWith(names.a))
    .map((name) => name.slice(0, -names.a.length));
  if (weights.length === 0)
    wrong(
      'mergeLora',
      'the second file has no low-rank matrices; it must be the result of lora, after training.',
    );
  // Biases, norms and other weights may have been trained too.
  const tensors = new Map<string, NewValues>();
  for (const [name, tensor] of before) {
    const now = learned.get(name);
    if (now === undefined || !isReal(tensor) || shapeOf(now).join() !== shapeOf(tensor).join()) continue;
    tensors.set(name, { shape: shapeOf(tensor), values: numbersOf(now) });
  }
  const products = g.proto.node.map((node) => productOf(g, node)).filter((found) => found !== undefined);
  for (const weight of weights) {
    const product = products.find((each) => each.weight === weight);
    const held = tensors.get(weight);
    if (product === undefined || held === undefined) {
      wrong(
        'mergeLora',
        `${show(weight)} is not a matrix of floats in the original file, so A·B cannot be added to it; run the adapted file instead.`,
      );
    } else {
      checkReaders(g, weight, products);
      tensors.set(weight, { shape: held.shape, values: merged(held.values, product, learned) });
    }
  }
  return writeBack({ bytes: original, copies: [], externalData }, tensors);
}

/** Checks who reads a weight. @throws OnnxError if it is also read without A·B: merged, it would change there, too */
function checkReaders(g: Network, weight: string, products: readonly Product[]): void {
  const other = otherReader(g, weight, products);
  if (other === undefined) return;
  wrong(
    'mergeLora',
    `${show(weight)} is also read by ${other}, without A·B; merged, it would change there, too. Run the adapted file instead, or leave the weight out of the layers of lora.`,
  );
}

/** Names what reads a weight of the adapted file other than as the matrix of an adapted product; undefined if nothing does. */
function otherReader(g: Network, weight: string, products: readonly Product[]): string | undefined {
  const adapted = new Set(products.filter((each) => each.weight === weight).map(({ node }) => node));
  const held = new Set([weight]);
  for (const node of g.proto.node) {
    const inside = subgraphsOf(node).some((body) => [...namesIn(body)].some((name) => held.has(name)));
    const reads = node.input.filter((name) => held.has(name)).length;
    if (!inside && reads === 0) continue;
    const isMatrix = adapted.has(node) && reads === 1 && held.has(node.input[1]);
    if (!inside && isMatrix) continue;
    const [output] = node.output;
    if (inside || sourceOf(g, output)?.name !== weight) return `${node.opType} ${show(node.name || output)}`;
    held.add(output);
  }
  const kept = g.proto.output.find(({ name }) => held.has(name));
  return kept && `the output ${show(kept.name)}`;
}

const tensorsOf = ({ initializer }: GraphProto): Map<string, TensorProto> =>
  new Map(initializer.map((tensor) => [tensor.name, tensor]));

const isReal = ({ dataType }: TensorProto): boolean => isFloat(dataType) || isHalf(dataType);

/** Returns W + s·A·B, or W + s·(A·B)ᵀ if W is stored as `[out, in]`. */
function merged(
  w: ArrayLike<number>,
  { weight, sizes: [inputs, outputs], isTransposed }: Product,
  tensors: ReadonlyMap<string, TensorProto>,
): Float64Array {
  const [a, b, [scale]] = [names.a, names.b, names.scale].map((part) => {
    const tensor = tensors.get(weight + part);
    return tensor === undefined
      ? wrong('mergeLora', `the adapted file has no ${show(weight + part)}.`)
      : numbersOf(tensor);
  });
  const rank = a.length / inputs;
  const sum = Float64Array.from(w);
  for (let i = 0; i < inputs; i++) {
    for (let k = 0; k < rank; k++) {
      const factor = scale * a[i * rank + k];
      for (let j = 0; j < outputs; j++)
        sum[isTransposed ? j * inputs + i : i * outputs + j] += factor * b[k * outputs + j];
    }
  }
  return sum;
}
