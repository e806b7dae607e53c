import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { graph, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';

/** A file with another opset in it. */
function inOpset(bytes: Uint8Array, opset: number): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  model.opsetImport[0].version = BigInt(opset);
  return toBinary(ModelProtoSchema, model);
}

/** A network that ends in a GroupNormalization of two groups with scales of that length. */
function normalized(opset: number, length: number): Uint8Array {
  const g = graph();
  const scale = g.weight('scale', [length], (i) => 1 + i / 2);
  const bias = g.weight('bias', [length], (i) => 0.1 * i);
  g.output('y', g.op('GroupNormalization', [g.input('x', ['N', 4, 3]), scale, bias], { num_groups: 2 }));
  return inOpset(g.toBytes(), opset);
}

/** Σy⁴ */
function loss(opset: number): Uint8Array {
  const g = graph();
  g.output('loss', g.sumOfAll(g.square(g.square(g.input('y', ['N', 4, 3])))));
  return inOpset(g.toBytes(), opset);
}

/** Largest difference between a gradient and central differences. */
async function errorOf(
  fg: (p: Float64Array, gradient: Float64Array | null) => Promise<number>,
  p: Float64Array,
  gradient: Float64Array,
): Promise<number> {
  const h = 1e-5;
  const errors = Array.from(gradient, async (value, i) => {
    const at = async (step: number) => fg(p.with(i, p[i] + step), null);
    return Math.abs(((await at(h)) - (await at(-h))) / (2 * h) - value);
  });
  return Math.max(...(await Promise.all(errors)));
}

// Since opset 21, GroupNormalization has a scale for each channel; before, it had one for each group.
test.each([
  { opset: 18, length: 2, ofLoss: 21 },
  { opset: 18, length: 2, ofLoss: 24 },
  { opset: 21, length: 4, ofLoss: 18 },
] as const)(
  'a loss in opset $ofLoss leaves the GroupNormalization of a model in opset $opset as it is',
  async ({ opset, length, ofLoss }) => {
    for (const precision of ['float32', 'float64'] as const) {
      const data = Array.from({ length: 24 }, (_, i) => Math.sin(i * i));
      const feeds = { x: { data, dims: [2, 4, 3] } };
      const [other, same] = await Promise.all(
        [ofLoss, opset].map(async (each) => {
          const model = await trainable(ort, normalized(opset, length), {
            loss: { graph: loss(each) },
            precision,
          });
          const { p0, fg } = model.problem(feeds);
          const gradient = new Float64Array(p0.length);
          const f = await fg(p0, gradient);
          const names = model.params.layout.tensors.map(({ name }) => name);
          const error = precision === 'float64' ? await errorOf(fg, p0, gradient) : 0;
          await model.dispose();
          return { f, gradient, names, error };
        }),
      );
      expect(other.names).toEqual(['scale', 'bias']);
      expect(other.names).toEqual(same.names);
      expect(other.f / same.f).toBeCloseTo(1, 5);
      other.gradient.forEach((value, i) => expect(value / same.gradient[i]).toBeCloseTo(1, 4));
      expect(other.error).toBeLessThan(1e-6);
    }
  },
);
