import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import type { GraphProto, ModelProto } from 'onnx-buf';
import { show } from '../../core/options.ts';
import { fault, OnnxError, type Fault } from './errors.ts';
import { bytesPerElement, countOf, dtypeName, shapeOf, type TensorProto } from './graph/tensor.ts';

/** The files that a model's external data lie in, by the location that the model names. */
export type ExternalData = Readonly<Record<string, Uint8Array>>;

/** A model in memory: the file's own graph, free to be changed. */
export type Model = ModelProto & { graph: GraphProto };

/**
 * Reads an ONNX file.
 *
 * @param bytes - the file; copied, never written
 * @throws OnnxError if it is no ONNX model, or is damaged
 */
export function decodeModel(bytes: Uint8Array, externalData: ExternalData = {}): Model {
  if (!(bytes instanceof Uint8Array)) {
    throw new OnnxError([
      fault(`a model is given as the bytes of an .onnx file, a Uint8Array; got ${gotInstead(bytes)}.`),
    ]);
  }
  let model: ModelProto;
  try {
    // A copy: the message's byte fields are views, and a Buffer's slice would alias the caller's memory.
    model = fromBinary(ModelProtoSchema, new Uint8Array(bytes));
  } catch (error) {
    throw new OnnxError([fault('these bytes are no ONNX model, or a damaged one: they do not parse.')], {
      cause: error,
    });
  }
  const { graph } = model;
  if (graph === undefined || model.opsetImport.length === 0) {
    throw new OnnxError([fault('these bytes are no ONNX model: there is no graph in them, or no opset.')]);
  }
  const faults = [
    ...graph.initializer,
    ...graph.node.flatMap((node) => node.attribute.flatMap(({ t }) => t ?? [])),
  ]
    .map((tensor) => tensorFault(tensor, externalData))
    .filter((found) => found !== undefined);
  if (faults.length > 0) throw new OnnxError(faults);
  return { ...model, graph };
}

function gotInstead(value: unknown): string {
  if (typeof value === 'string') return `${show(value)}; if that is its path, readFile gives them`;
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
      `the graph would take ${(bytes.length / 2 ** 30).toFixed(1)} GB, and the ONNX format ends at 2: what is trained is fed and takes no place in it, the other constants do.`,
    ),
  ]);
}

/** What is wrong with a tensor's data; external data are brought in on the way. */
function tensorFault(tensor: TensorProto, externalData: ExternalData): Fault | undefined {
  const name = JSON.stringify(tensor.name);
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const entry = (key: string) => tensor.externalData.find((candidate) => candidate.key === key)?.value;
    const location = entry('location') ?? '';
    const file = externalData[location];
    if (file === undefined) {
      return fault(
        `initializer ${name} lies in the file ${JSON.stringify(location)}: pass its bytes as externalData: { ${JSON.stringify(location)}: bytes }.`,
      );
    }
    const offset = Number(entry('offset') ?? 0);
    const length = Number(entry('length') ?? file.length - offset);
    tensor.rawData = file.slice(offset, offset + length);
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
    tensor.externalData = [];
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
    `tensor ${name} of shape [${shapeOf(tensor).join(', ')}], ${dtypeName(tensor.dataType)}, holds ${held} values: the file is damaged.`,
  );
}
