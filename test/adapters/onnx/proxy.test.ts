import * as web from 'onnxruntime-web';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { trainable, type Ort } from 'quasi-newton/onnx';
import { afterEach, expect, test } from 'vitest';
import { mlp } from '../../../examples/lib/mlp.js';

/** onnxruntime-web as it is with `env.wasm.proxy` in a page: what it is given is transferred, and gone. */
const proxied: Ort = {
  Tensor: web.Tensor,
  env: { wasm: { proxy: true } },
  InferenceSession: {
    async create(bytes, options) {
      const own = structuredClone(bytes);
      structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
      const session = await web.InferenceSession.create(own, options);
      return {
        async run(feeds: Record<string, web.Tensor>, fetches: string[]) {
          const received = Object.entries(feeds).map(
            ([name, { type, data, dims }]) =>
              [name, new web.Tensor(type as never, structuredClone(data) as never, dims)] as const,
          );
          const buffers = Object.values(feeds).map(
            ({ data }) => (data as Float32Array).buffer as ArrayBuffer,
          );
          // Throws where a buffer is there twice, as a worker's postMessage does.
          structuredClone(null, { transfer: buffers });
          return session.run(Object.fromEntries(received), fetches);
        },
        release: () => session.release(),
      };
    },
  },
};

afterEach(() => void Reflect.deleteProperty(globalThis, 'document'));

test('a runtime that transfers its feeds away trains like one that does not', async () => {
  const bytes = mlp([2, 6, 1]);
  const x = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i));
  const feeds = { x: { data: x, dims: [10, 2] }, target: { data: x.slice(0, 10), dims: [10, 1] } };
  const train = async (ort: Ort) => {
    const model = await trainable(ort, bytes, { loss: 'mse' });
    const problem = model.problem(feeds);
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 12 });
    const more = new Float64Array(1);
    await problem.valuesAt!(result.x, more);
    const { y } = await model.predict({ x: feeds.x });
    const written = model.toBytes();
    await model.dispose();
    return { x: result.x, value: more[0], predicted: Array.from(y.data, Number), written };
  };
  const plain = await train(web);
  Object.assign(globalThis, { document: {} });
  expect(await train(proxied)).toEqual(plain);
  expect(x.length).toBe(20);
});
