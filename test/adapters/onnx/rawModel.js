// Models written message by message: what the public builder would refuse or write otherwise.
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataType as Type,
} from 'onnx-buf';

/**
 * A float32 initializer, its elements drawn one after the other.
 *
 * @param {string} name
 * @param {number[]} shape
 * @param {(index: number) => number} element
 */
export function floats(name, shape, element) {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: size }, (_, i) => element(i));
  return { name, dims: shape.map(BigInt), dataType: Type.FLOAT, rawData: new Uint8Array(values.buffer) };
}

/**
 * A node of one output; its attributes are whole numbers, or several of them.
 *
 * @param {string} opType
 * @param {string[]} input
 * @param {string} output
 * @param {Record<string, number | number[]>} [attributes]
 */
export function node(opType, input, output, attributes = {}) {
  return {
    opType,
    input,
    output: [output],
    name: output,
    attribute: Object.entries(attributes).map(([name, value]) =>
      typeof value === 'number'
        ? { name, type: Kind.INT, i: BigInt(value) }
        : { name, type: Kind.INTS, ints: value.map(BigInt) },
    ),
  };
}

/**
 * A graph as the bytes of an .onnx file of opset 18; inputs and outputs are float32.
 *
 * @param {{
 *   input: Record<string, (number | string)[]>,
 *   output: Record<string, (number | string)[]>,
 *   initializer: ReturnType<typeof floats>[],
 *   nodes: ReturnType<typeof node>[],
 * }} graph - shapes by name; a string is a size that may vary
 */
export function model({ input, output, initializer, nodes }) {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: '', version: 18n }],
      graph: {
        name: 'network',
        input: described(input),
        output: described(output),
        initializer,
        node: nodes,
      },
    }),
  );
}

/** @param {Record<string, (number | string)[]>} shapes */
function described(shapes) {
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    type: {
      value: {
        case: /** @type {const} */ ('tensorType'),
        value: { elemType: Type.FLOAT, shape: { dim: shape.map(dimension) } },
      },
    },
  }));
}

/** @param {number | string} size */
function dimension(size) {
  return typeof size === 'string'
    ? { value: { case: /** @type {const} */ ('dimParam'), value: size } }
    : { value: { case: /** @type {const} */ ('dimValue'), value: BigInt(size) } };
}
