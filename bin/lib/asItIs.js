// A model as any ONNX Runtime computes it, without the graph of its gradient.
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataType } from 'onnx-buf';
import { BadInput } from './badInput.js';
import { bitsOf, numberOf } from './halfFloats.js';

/** @import { InputSpec } from 'quasi-newton/onnx' */
/** @import { Samples } from './table.js' */

/** @typedef {InputSpec & { type: string }} TypedInput - with its type in ONNX Runtime */

/** @type {Readonly<Record<string, { from(values: ArrayLike<number>): object }>>} */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: { from: (values) => Uint16Array.from(Array.from(values, bitsOf)) },
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int64: { from: (values) => BigInt64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value)))) },
};

const typeNames = new Map([
  [TensorProto_DataType.FLOAT, 'float32'],
  [TensorProto_DataType.DOUBLE, 'float64'],
]);

/** @param {number} type - of ONNX */
const typeOf = (type) => typeNames.get(type) ?? (TensorProto_DataType[type] ?? 'no tensor').toLowerCase();

/**
 * The inputs of a model that are to be fed, and its outputs; each output with the op that makes it.
 *
 * @param {Uint8Array} bytes
 * @param {string} path
 * @returns {{ inputs: readonly TypedInput[], outputs: readonly { name: string, op: string }[] }}
 * @throws BadInput if the bytes are no model
 */
export function signatureOf(bytes, path) {
  const graph = graphIn(bytes);
  if (graph === undefined || graph.output.length === 0)
    throw new BadInput(`model: ${path} is not an ONNX model, or is damaged.`);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input
    .filter(({ name }) => !constants.has(name))
    .map(({ name, type }) => {
      const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
      const shape = tensor?.shape?.dim.map(({ value }, i) =>
        value.case === 'dimValue' ? Number(value.value) : value.value || `?${i}`,
      );
      const dtype = typeOf(tensor?.elemType ?? 0);
      return { name, dtype, type: dtype, shape };
    });
  const producer = (/** @type {string} */ name) => graph.node.find(({ output }) => output.includes(name));
  const opOf = (/** @type {string} */ name) => {
    let node = producer(name);
    while (node?.opType === 'Identity') node = producer(node.input[0]);
    return node?.opType ?? '';
  };
  return { inputs, outputs: graph.output.map(({ name }) => ({ name, op: opOf(name) })) };
}

/** @param {Uint8Array} bytes */
function graphIn(bytes) {
  try {
    return fromBinary(ModelProtoSchema, bytes).graph;
  } catch {
    return undefined;
  }
}

/**
 * Runs a model on all samples; on one at a time if it takes no more.
 *
 * @param {typeof import('onnxruntime-node')} ort
 * @param {string} path
 * @param {readonly TypedInput[]} inputs
 * @param {Readonly<Record<string, Samples>>} feeds
 * @param {{ output: string, fixed: ReadonlySet<string> }} more - the output, and inputs that are the same for all samples
 * @returns {Promise<{ data: Float64Array, dims: readonly number[] }>} the output, `[samples, …]`
 */
export async function runModel(ort, path, inputs, feeds, { output, fixed }) {
  const session = await sessionOf(ort, path);
  const varying = inputs.filter(({ name }) => !fixed.has(name));
  const samples = feeds[varying[0].name].dims[0];
  const isSingle = samples > 1 && varying.every(({ shape }) => shape?.[0] === 1);
  try {
    /** @type {{ data: Float64Array, dims: readonly number[] }[]} */ const parts = [];
    for (let i = 0; i < (isSingle ? samples : 1); i++) {
      const tensors = inputs.map((spec) => {
        const all = feeds[spec.name];
        const isWhole = !isSingle || fixed.has(spec.name);
        return [spec.name, tensorOf(ort, spec, isWhole ? all : sampleOf(all, i))];
      });
      const { [output]: found } = await session.run(Object.fromEntries(tensors), [output]);
      parts.push({ data: numbersOf(output, found), dims: found.dims });
    }
    const data = parts.length === 1 ? parts[0].data : joined(parts.map((part) => part.data));
    const dims = [samples, ...parts[0].dims.slice(1)];
    if (dims.reduce((a, b) => a * b, 1) !== data.length)
      throw new BadInput(
        `output ${JSON.stringify(output)} has shape [${parts[0].dims.join(', ')}] for ${samples} samples; it must have one row for each.`,
      );
    return { data, dims };
  } finally {
    await session.release();
  }
}

/**
 * @param {typeof import('onnxruntime-node')} ort
 * @param {string} path
 */
async function sessionOf(ort, path) {
  try {
    return await ort.InferenceSession.create(path, { logSeverityLevel: 3 });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new BadInput(`model: ONNX Runtime does not load ${path}: ${reason}`, { cause: error });
  }
}

/** @type {(samples: Samples, i: number) => Samples} */
function sampleOf({ data, dims: [count, ...sizes] }, i) {
  const width = data.length / count;
  return { data: Array.from({ length: width }, (_, k) => data[i * width + k]), dims: [1, ...sizes] };
}

/** @type {(ort: typeof import('onnxruntime-node'), spec: TypedInput, samples: Samples) => import('onnxruntime-node').Tensor} */
function tensorOf(ort, { name, type }, { data, dims }) {
  const array = arrays[type];
  if (array === undefined)
    throw new BadInput(
      `input ${JSON.stringify(name)} is of type ${type}; predict feeds ${Object.keys(arrays).join(', ')}. Export the model with an input of one of these types, followed by a Cast.`,
    );
  return new ort.Tensor(
    /** @type {'float32'} */ (type),
    /** @type {Float32Array} */ (array.from(data)),
    dims,
  );
}

/** @type {(name: string, tensor: import('onnxruntime-node').Tensor) => Float64Array} */
function numbersOf(name, { type, data }) {
  if (arrays[type] === undefined)
    throw new BadInput(`output ${JSON.stringify(name)} is of type ${type}, which is not written as numbers.`);
  // Bits, unless Node has an array of float16.
  const decode = type === 'float16' && data instanceof Uint16Array ? numberOf : Number;
  return Float64Array.from(/** @type {ArrayLike<number>} */ (data), decode);
}

/** @param {readonly Float64Array[]} parts */
function joined(parts) {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
