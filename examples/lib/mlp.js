import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataType as Type,
} from 'onnx-buf';

/**
 * Uniform random numbers in [0, 1), the same for the same seed (the generator mulberry32).
 *
 * @param {number} seed
 */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A network of dense layers as the bytes of an .onnx file, in the form that torch exports `nn.Linear` in: Gemm
 * nodes, weights `[out, in]`. Input `x` `[N, sizes[0]]`, output `y`; weights and biases are uniform in
 * ±1/√in, torch's default.
 *
 * @param {number[]} sizes - of the layers, the input first
 * @param {{ activation?: string, seed?: number }} [options] - the op between two layers
 */
export function mlp(sizes, { activation = 'Tanh', seed = 1 } = {}) {
  const random = randomNumbers(seed);
  const layers = sizes.slice(1).map((out, i) => ({ in: sizes[i], out, last: i === sizes.length - 2 }));
  return model({
    input: { x: ['N', sizes[0]] },
    output: { y: ['N', sizes[sizes.length - 1]] },
    initializer: layers.flatMap((layer, i) => {
      const bound = 1 / Math.sqrt(layer.in);
      const uniform = () => bound * (2 * random() - 1);
      return [
        floats(`${i}.weight`, [layer.out, layer.in], uniform),
        floats(`${i}.bias`, [layer.out], uniform),
      ];
    }),
    nodes: layers.flatMap(({ last }, i) => {
      const from = i === 0 ? 'x' : `h${i}`;
      const gemm = node('Gemm', [from, `${i}.weight`, `${i}.bias`], last ? 'y' : `a${i + 1}`, { transB: 1 });
      return last ? [gemm] : [gemm, node(activation, [`a${i + 1}`], `h${i + 1}`)];
    }),
  });
}

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
