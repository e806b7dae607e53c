import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import type { GraphProto, ModelProto, NodeProto, SparseTensorProto } from 'onnx-buf';
import { show } from '../../../core/options.ts';
import { fault, OnnxError, type Fault } from './errors.ts';
import { subgraphsOf } from './attributes.ts';
import { bytesPerElement, countOf, dtypeName, shapeOf, type TensorProto } from './tensor.ts';

/**
 * Files with a model's external data, by the location named in the model: the result of `readFile`, or any
 * other view of bytes.
 */
export type ExternalData = Readonly<Record<string, ArrayBufferView | ArrayBuffer>>;

/** True if a value is bytes that external data can be read from. */
export const isBytes = (value: unknown): value is ArrayBufferView | ArrayBuffer =>
  ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/** Checks that a model is given as bytes. @throws OnnxError naming `where`, the function called, if it is not */
export function checkBytes(where: string, bytes: unknown): void {
  if (bytes instanceof Uint8Array) return;
  const reason = `a model must be the bytes of an .onnx file, a Uint8Array; got ${gotInstead(bytes)}.`;
  throw new OnnxError([fault(where === '' ? reason : `${where}: ${reason}`)]);
}

/** A decoded model, whose graph may be changed. */
export type Model = ModelProto & { graph: GraphProto };

/** Files that no caller can change, so that their tensors may be views of them. */
const ownFiles = new WeakSet<Uint8Array>();

/** Returns a copy of a file that {@link decodeModel} reads without another copy; whoever gets it must not write into it. */
export const ownFile = (bytes: Uint8Array): Uint8Array => ownedFile(new Uint8Array(bytes));

/** Marks a file that no caller has, as {@link ownFile} marks its copy. */
export function ownedFile(bytes: Uint8Array): Uint8Array {
  ownFiles.add(bytes);
  return bytes;
}

/**
 * Reads an ONNX file.
 *
 * @param bytes - the file; copied unless it is an {@link ownFile}, never written
 * @throws OnnxError if it is not an ONNX model, or is damaged
 */
export function decodeModel(bytes: Uint8Array, externalData: ExternalData = {}): Model {
  checkBytes('', bytes);
  let model: ModelProto;
  try {
    // A copy: the message's byte fields are views, and a Buffer's slice would alias the caller's memory.
    model = fromBinary(ModelProtoSchema, ownFiles.has(bytes) ? bytes : new Uint8Array(bytes));
  } catch (error) {
    throw new OnnxError(
      [
        fault(
          `these bytes are not an ONNX model, or the file is damaged: they do not parse${lookOf(bytes)}.`,
        ),
      ],
      { cause: error },
    );
  }
  if (!hasGraph(model) || model.opsetImport.length === 0) {
    throw new OnnxError([
      fault(`these bytes are not an ONNX model: they contain no graph or no opset${lookOf(bytes)}.`),
    ]);
  }
  const faults = Array.from(tensorsIn(model))
    .map((tensor) => tensorFault(tensor, externalData))
    .filter((found) => found !== undefined);
  if (faults.length > 0) throw new OnnxError(faults);
  return model;
}

/** First characters of files that are taken for models, and what they tell. */
const looks: readonly (readonly [RegExp, string])[] = [
  [/^\s*</, '; they begin like a web page, as a server sends it if the address is wrong'],
  [/^version https:\/\/git-lfs/, '; they are a pointer of Git LFS: fetch the file itself, with git lfs pull'],
  [/^\s*[{[]/, '; they begin like JSON, such as the model.json of TensorFlow.js'],
  [/^PK/, '; they are a ZIP archive, such as a checkpoint of PyTorch or Keras: export it to ONNX'],
  [/^....TFL3/s, '; they are a TensorFlow Lite model: convert it with tf2onnx'],
];

/** Returns the kind of file that bytes seem to be, for a message. */
function lookOf(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 40));
  return looks.find(([pattern]) => pattern.test(start))?.[1] ?? '';
}

const hasGraph = (model: ModelProto): model is Model => model.graph !== undefined;

/** Yields every tensor of a model: of its graph, its subgraphs and its functions. */
function* tensorsIn({ graph, functions }: Model): Iterable<TensorProto> {
  yield* tensorsOf(graph);
  for (const { node } of functions) yield* tensorsOfNodes(node);
}

function* tensorsOf({ initializer, sparseInitializer, node }: GraphProto): Iterable<TensorProto> {
  yield* initializer;
  for (const sparse of sparseInitializer) yield* partsOf(sparse);
  yield* tensorsOfNodes(node);
}

function* tensorsOfNodes(nodes: readonly NodeProto[]): Iterable<TensorProto> {
  for (const node of nodes) {
    for (const { t, tensors, sparseTensor, sparseTensors } of node.attribute) {
      if (t) yield t;
      yield* tensors;
      for (const sparse of sparseTensor ? [sparseTensor, ...sparseTensors] : sparseTensors)
        yield* partsOf(sparse);
    }
    for (const subgraph of subgraphsOf(node)) yield* tensorsOf(subgraph);
  }
}

const partsOf = ({ values, indices }: SparseTensorProto): TensorProto[] =>
  [values, indices].filter((part) => part !== undefined);

function gotInstead(value: unknown): string {
  if (typeof value === 'string')
    return `${show(value)}; if this is its path, read the file first, with readFile`;
  if (value instanceof ArrayBuffer) return 'an ArrayBuffer; wrap it: new Uint8Array(buffer)';
  return value instanceof Promise ? 'a Promise; await it' : show(value);
}

/**
 * Writes an ONNX file.
 *
 * @throws OnnxError if it would be larger than the format allows
 */
export function encodeModel(model: Model): Uint8Array {
  const bytes = toBinary(ModelProtoSchema, model);
  if (bytes.length < 2 ** 31) return bytes;
  throw new OnnxError([
    fault(
      `the graph needs ${(bytes.length / 2 ** 30).toFixed(1)} GB; the ONNX format allows less than 2. Constants take space in it, trained tensors do not: train more of them.`,
    ),
  ]);
}

/** Returns the fault of a tensor's data, if any; external data are first read into the tensor. */
function tensorFault(tensor: TensorProto, externalData: ExternalData): Fault | undefined {
  const name = JSON.stringify(tensor.name);
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const reason = readExternal(tensor, externalData);
    if (reason !== undefined) return fault(`tensor ${name} ${reason}`);
  }
  const size = bytesPerElement(tensor.dataType);
  if (size === undefined) return undefined;
  const count = countOf(tensor);
  const { rawData, floatData, doubleData, int32Data, int64Data, uint64Data } = tensor;
  const listed = [floatData, doubleData, int32Data, int64Data, uint64Data].reduce(
    (sum, data) => sum + data.length,
    0,
  );
  const held = rawData.length > 0 ? rawData.length / size : listed;
  if (held === count && tensor.dims.every((dimension) => dimension >= 0n)) return undefined;
  return fault(
    `tensor ${name} of shape [${shapeOf(tensor).join(', ')}], ${dtypeName(tensor.dataType)}, holds ${held} values instead of ${count}: the file is damaged.`,
  );
}

/** Copies a tensor's data out of its external file; returns the reason if that fails. */
function readExternal(tensor: TensorProto, files: ExternalData): string | undefined {
  const entry = (key: string) => tensor.externalData.find((candidate) => candidate.key === key)?.value;
  const location = entry('location') ?? '';
  const quoted = JSON.stringify(location);
  // The location comes from the model: it must not match a property that every object inherits.
  const file = Object.hasOwn(files, location) ? files[location] : undefined;
  if (file === undefined)
    return `is stored in the file ${quoted}: pass its bytes as externalData: { ${quoted}: bytes }.`;
  const bytes = ArrayBuffer.isView(file)
    ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
    : new Uint8Array(file);
  const offset = Number(entry('offset') ?? 0);
  const length = Number(entry('length') ?? bytes.length - offset);
  const whole = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
  if (!whole || offset + length > bytes.length)
    return `is stored in bytes ${entry('offset') ?? 0} to ${whole ? offset + length : entry('length')} of the file ${quoted}, which has ${bytes.length}: this is not the file that the model was saved with.`;
  // A copy at the start of a new buffer: a slice of a Buffer would be a view of its pool.
  tensor.rawData = Uint8Array.from(bytes.subarray(offset, offset + length));
  tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  tensor.externalData = [];
  return undefined;
}
