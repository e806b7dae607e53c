import { readFileSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';
import type { Differentiated } from 'quasi-newton/onnx';

/** A model exported by torch, the data it was run on, and torch's loss and gradients computed in float64. */
export interface Fixture {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly loss: number;
  readonly inputs: readonly Entry[];
  readonly target: Entry;
  readonly parameters: readonly {
    name: string;
    shape: readonly number[];
    value: Float64Array;
    gradient: Float64Array;
  }[];
}

export interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly integral: boolean;
  readonly values: readonly number[];
}

interface Listing {
  readonly loss: number;
  readonly inputs: readonly { name: string; shape: number[]; dtype: string; off: number }[];
  readonly target: { shape: number[]; dtype: string; off: number };
  readonly params: readonly { name: string; shape: number[]; value: number; grad: number }[];
}

export const fixtureNames = [
  'mlp_tanh_mse',
  'mlp_acts_mse',
  'mlp_ce',
  'cnn',
  'resnet_train',
  'transformer',
  'lstm',
  'misc',
] as const;

export const fixturePath = (file: string) => new URL(`../../fixtures/onnx/${file}`, import.meta.url);

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

export function fixture(name: string): Fixture {
  const listing: Listing = JSON.parse(readFileSync(fixturePath(`${name}.json`), 'utf8'));
  const blob = new Uint8Array(readFileSync(fixturePath(`${name}.bin`))).buffer;
  const entry = (
    name: string,
    { shape, dtype, off }: { shape: number[]; dtype: string; off: number },
  ): Entry => {
    const integral = dtype === 'int64';
    const values = integral
      ? Array.from(new BigInt64Array(blob, off, size(shape)), Number)
      : [...new Float64Array(blob, off, size(shape))];
    return { name, shape, integral, values };
  };
  return {
    name,
    bytes: new Uint8Array(readFileSync(fixturePath(`${name}.onnx`))),
    loss: listing.loss,
    inputs: listing.inputs.map((input) => entry(input.name, input)),
    target: entry('target', listing.target),
    parameters: listing.params.map(({ name, shape, value, grad }) => ({
      name,
      shape,
      value: new Float64Array(blob, value, size(shape)),
      gradient: new Float64Array(blob, grad, size(shape)),
    })),
  };
}

/** What to feed a differentiated fixture: its data and the parameters that the model holds. */
export function feedsOf(
  { inputs, target }: Fixture,
  { parameters, precision }: Differentiated,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  const real = (values: ArrayLike<number>) =>
    precision === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
  for (const { name, shape, integral, values } of [...inputs, target]) {
    feeds[name] = integral
      ? new Tensor('int64', BigInt64Array.from(values, BigInt), shape)
      : new Tensor(precision, real(values), shape);
  }
  for (const { name, shape, tensor } of parameters) {
    const raw = tensor.rawData.slice().buffer;
    const values = tensor.dataType === 11 ? new Float64Array(raw) : new Float32Array(raw);
    feeds[name] = new Tensor(precision, real(values), shape);
  }
  return feeds;
}
