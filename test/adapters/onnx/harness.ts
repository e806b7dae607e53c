import { create, toBinary } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { differentiate, gradientNameOf, type LossFunction, type Value } from 'quasi-newton/onnx';
import { expect } from 'vitest';
import { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { opKnowledge } from '../../../src/adapters/onnx/ops/infer.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';

export type Precision = 'float32' | 'float64';

/** The data of one input; integers are int64. */
export interface Input {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly integral?: boolean;
}

/** A graph, written with the builder: from the names of its inputs to that of its output. */
export type Build = (g: Builder, inputs: Readonly<Record<string, Value>>) => Value;

export interface ModelOptions {
  readonly precision?: Precision;
  readonly opset?: number;
  /** Name of the output. @defaultValue 'y' */
  readonly output?: string;
  /** Leave the sizes of all inputs to be known at run time. */
  readonly dynamic?: boolean;
}

export const quiet = { logSeverityLevel: 3, graphOptimizationLevel: 'disabled' } as const;

export function modelOf(
  inputs: Readonly<Record<string, Input>>,
  build: Build,
  { precision = 'float64', opset = 21, dynamic = false, output = 'y' }: ModelOptions = {},
): Uint8Array {
  const float = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
  const g = new Builder(create(GraphProtoSchema, { name: 'test' }), opKnowledge, float, [], 'm/');
  for (const [name, { shape, integral }] of Object.entries(inputs)) {
    g.addInput(name, integral ? DType.INT64 : float, dynamic ? shape.map((_, i) => `${name}_${i}`) : shape);
  }
  g.addOutput(output, build(g, Object.fromEntries(Object.keys(inputs).map((name) => [name, name]))));
  const domains = new Set(g.proto.node.map(({ domain }) => domain).filter((domain) => domain !== ''));
  const opsetImport = [
    create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
    ...Array.from(domains, (domain) => create(OperatorSetIdProtoSchema, { domain, version: 1n })),
  ];
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 10n, opsetImport, graph: g.proto }),
  );
}

export function feedsOf(
  inputs: Readonly<Record<string, Input>>,
  precision: Precision,
): Record<string, Tensor> {
  const tensor = ({ shape, values, integral }: Input) => {
    if (integral) return new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
    return new Tensor(
      precision,
      precision === 'float64' ? Float64Array.from(values) : Float32Array.from(values),
      shape,
    );
  };
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, tensor(input)]));
}

/** Σ cᵢ·yᵢ with coefficients that are all different, so that no two elements can be mistaken for each other. */
export const weighted: LossFunction = (g, { outputs: [y] }) => {
  const dtype = g.floatTypeOf(y);
  const places = g.op('Range', [g.scalar(0, DType.INT64), g.op('Size', [y]), g.scalar(1, DType.INT64)]);
  const coefficients = g.add(g.op('Sin', [g.mul(1.7, g.cast(places, dtype))]), 1.3);
  return g.sumOfAll(g.mul(g.flat(y), coefficients));
};

export interface CheckOptions extends ModelOptions {
  /** Step of the central differences. @defaultValue 1e-5 */
  readonly step?: number;
  /** Allowed error relative to the size of what is compared. @defaultValue 1e-7 */
  readonly tolerance?: number;
  readonly loss?: LossFunction;
  readonly target?: 'cpu' | 'webgpu';
}

/** A direction with entries of both signs, none near zero; the same for the same length and seed. */
export const direction = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => {
    const v = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    const u = v - Math.floor(v);
    return (u < 0.5 ? -1 : 1) * (0.3 + Math.abs(u - 0.5));
  });

/**
 * Holds the gradients with respect to every float input against central differences along a few directions.
 */
export async function checkGradients(
  inputs: Readonly<Record<string, Input>>,
  build: Build,
  options: CheckOptions = {},
): Promise<void> {
  await checkModel(inputs, modelOf(inputs, build, options), options.loss ?? weighted, options);
}

/** As {@link checkGradients}, of a model that is there already. */
export async function checkModel(
  inputs: Readonly<Record<string, Input>>,
  bytes: Uint8Array,
  loss: LossFunction,
  { precision = 'float64', step = 1e-5, tolerance = 1e-7, target = 'cpu' }: CheckOptions = {},
): Promise<void> {
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  const session = await InferenceSession.create(differentiate(bytes, { loss, wrt, target }), quiet);
  try {
    const lossAt = async (at: Readonly<Record<string, Input>>) =>
      Number((await session.run(feedsOf(at, precision), ['loss']))['loss'].data[0]);
    const results = await session.run(feedsOf(inputs, precision));
    const value = Number(results['loss'].data[0]);
    for (const name of wrt) {
      const { data, dims } = results[gradientNameOf(name)];
      const input = inputs[name];
      expect(dims, `shape of the gradient of ${name}`).toEqual(input.shape);
      for (const seed of [1, 2]) {
        const along = direction(input.values.length, seed);
        const moved = (h: number) => ({
          ...inputs,
          [name]: { ...input, values: input.values.map((x, i) => x + h * along[i]) },
        });
        const numeric = ((await lossAt(moved(step))) - (await lossAt(moved(-step)))) / (2 * step);
        const terms = along.map((v, i) => v * Number(data[i]));
        const exact = terms.reduce((a, b) => a + b, 0);
        const size = Math.max(1, Math.abs(value), ...terms.map(Math.abs));
        expect(
          Math.abs(numeric - exact),
          `gradient of ${name}: ${exact}, by differences ${numeric}`,
        ).toBeLessThanOrEqual(tolerance * size);
      }
    }
  } finally {
    await session.release();
  }
}
