/**
 * Models of a few nodes, held against ONNX Runtime's own kernels and against central differences.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema } from 'onnx-buf';
import type { NodeProto, TensorProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { differentiate, type LossFunction } from 'quasi-newton/onnx';
import { expect } from 'vitest';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { direction } from './harness.ts';
import { modelFrom, node, runOnce, tensor, type Described } from './written.ts';

/** Number of elements of a shape. */
export const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** Largest difference between two lists; Infinity if their lengths differ. */
export const apart = (got: readonly number[], wanted: readonly number[]): number =>
  got.length === wanted.length
    ? Math.max(0, ...got.map((value, i) => Math.abs(value - wanted[i])))
    : Infinity;

/** Σ c·y² with fixed c. */
export const squares: LossFunction = (g, { outputs: [y] }) => {
  const places = g.cast(g.places(g.reshape(g.op('Size', [y]), [1])), g.floatTypeOf(y));
  return g.sumOfAll(g.mul(g.square(g.flat(y)), g.add(g.op('Sin', [g.mul(1.7, places)]), 1.3)));
};

/** A model from `inputs` to `y`. */
export interface Form {
  readonly name: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly values?: Readonly<Record<string, readonly number[]>>;
  readonly constants?: readonly TensorProto[];
  /** From the inputs to `y`. */
  readonly nodes: readonly NodeProto[];
  readonly opset?: number;
  /** Declared shape of y. */
  readonly y?: Described;
  /** Leave all sizes open. */
  readonly open?: boolean;
  readonly wrt?: readonly string[];
}

/** Adds attributes of floats to a node. */
export const withFloats = (
  made: NodeProto,
  lists: Readonly<Record<string, readonly number[]>>,
): NodeProto => {
  for (const [name, values] of Object.entries(lists))
    made.attribute.push(create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: [...values] }));
  return made;
};

const domains = ['com.microsoft', 'ai.onnx.ml'];

/** Holds our float64 form against ONNX Runtime's own float32 kernel, and the gradient against central differences. */
export async function check({
  inputs,
  values = {},
  constants = [],
  nodes,
  opset = 18,
  y,
  open = false,
  wrt,
}: Form) {
  const shapes = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, open ? shape.map((_, i) => `${name}_${i}`) : shape]),
  );
  const bytes = modelFrom({ inputs: shapes, outputs: { y }, initializers: constants, nodes, opset, domains });
  const at = Object.fromEntries(
    Object.entries(inputs).map(([name, shape], k) => [name, values[name] ?? direction(count(shape), k + 3)]),
  );
  const feeds = (make: (shape: readonly number[], data: readonly number[]) => ort.Tensor, moved = at) =>
    Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, make(shape, moved[name])]));
  const double = (shape: readonly number[], data: readonly number[]) =>
    new ort.Tensor('float64', Float64Array.from(data), shape);
  const names = wrt ?? Object.keys(inputs);
  const options = { loss: squares, wrt: names, keep: ['y'] };
  const kernel = await runOnce(bytes, feeds(tensor), { graphOptimizationLevel: 'disabled' });
  const single = await runOnce(differentiate(bytes, options), feeds(tensor));
  const graph = differentiate(bytes, Object.assign({ precision: 'float64' } as const, options));
  const session = await ort.InferenceSession.create(graph, { logSeverityLevel: 4 });
  const run = async (moved: typeof at) => {
    const results = await session.run(feeds(double, moved));
    return (name: string) => Array.from(results[name].data as Float64Array);
  };
  const exact = await run(at);
  const size = Math.max(1, ...kernel['y'].map(Math.abs));
  expect(apart(exact('y'), kernel['y'])).toBeLessThan(1e-5 * size);
  expect(apart(single['y'], kernel['y'])).toBeLessThan(1e-5 * size);
  for (const name of names) {
    const gradient = exact(`grad_of/${name}`);
    const most = Math.max(1, ...gradient.map(Math.abs));
    expect(apart(single[`grad_of/${name}`], gradient), `float32 by ${name}`).toBeLessThan(1e-4 * most);
    for (const seed of [1, 2]) {
      const along = direction(count(inputs[name]), seed);
      const moved = async (h: number) =>
        (await run(Object.assign({}, at, { [name]: at[name].map((v, i) => v + h * along[i]) })))('loss')[0];
      const numeric = ((await moved(1e-5)) - (await moved(-1e-5))) / 2e-5;
      const found = gradient.reduce((sum, v, i) => sum + v * along[i], 0);
      expect(Math.abs(found - numeric), `by ${name}`).toBeLessThan(1e-6 * most * gradient.length + 1e-6);
    }
  }
  await session.release();
}

/** A model of one node. */
export const oneOp = (
  op: string,
  shape: readonly number[],
  attributes: AttributeValues = {},
  more: Partial<Form> = {},
): Form => Object.assign({ name: op, inputs: { x: shape }, nodes: [node(op, ['x'], 'y', attributes)] }, more);
