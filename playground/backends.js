// A network and its loss, in TensorFlow.js or in ONNX Runtime. Each backend is loaded when it is first used.

/** @import { AsyncProblem, Problem } from 'quasi-newton' */
/** @import { Data } from './data.js' */
/** @import { Settings } from './settings.js' */

/**
 * @typedef {object} Network
 * @property {Problem | AsyncProblem} problem
 * @property {(point: Float64Array, x: Float32Array, samples: number) => Promise<Float32Array>} predict - outputs,
 *   `[samples, outputs]`, of the network with these parameters
 * @property {() => Promise<void> | void} dispose
 */

/**
 * @param {Settings} settings
 * @param {Data} data
 * @returns {Promise<Network>}
 */
export function networkOf(settings, data) {
  const hidden = Array.from({ length: Number(settings.layers) }, () => Number(settings.units));
  const sizes = [data.inputs, ...hidden, data.outputs];
  return settings.backend === 'onnx' ? inOnnx(settings, sizes, data) : inTfjs(settings, sizes, data);
}

/** @type {(settings: Settings, sizes: number[], data: Data) => Promise<Network>} */
async function inTfjs({ activation, backend, seed }, sizes, { kind, samples, inputs, outputs, x, y }) {
  const [tf, { modelProblem }] = await Promise.all([import('@tensorflow/tfjs'), import('quasi-newton/tfjs')]);
  tf.enableProdMode();
  if (backend === 'wasm') (await import('./wasm.js')).prepareWasm();
  if (!(await tf.setBackend(backend)))
    throw new Error(`This browser has no backend ${backend} for TensorFlow.js.`);
  const model = layered(tf, sizes, activation, Number(seed));
  /** @param {import('@tensorflow/tfjs').Tensor} t @param {import('@tensorflow/tfjs').Tensor} z */
  const crossEntropy = (t, z) => tf.losses.softmaxCrossEntropy(t, z);
  model.compile({ optimizer: 'sgd', loss: kind === 'numbers' ? 'meanSquaredError' : crossEntropy });
  const features = tf.tensor2d(x, [samples, inputs]);
  const targets =
    kind === 'numbers'
      ? tf.tensor2d(y, [samples, outputs])
      : tf.tidy(() => tf.oneHot(tf.tensor1d(y, 'int32'), outputs).toFloat());
  const problem = modelProblem(model, features, targets);
  return {
    problem,
    async predict(point, given, count) {
      problem.params.copyFrom(point);
      const predicted = tf.tidy(
        () =>
          /** @type {import('@tensorflow/tfjs').Tensor} */ (
            model.predict(tf.tensor2d(given, [count, inputs]))
          ),
      );
      const values = /** @type {Float32Array} */ (await predicted.data());
      predicted.dispose();
      return values;
    },
    dispose() {
      problem.dispose();
      model.dispose();
      tf.dispose([features, targets]);
    },
  };
}

/** @type {(tf: typeof import('@tensorflow/tfjs'), sizes: number[], activation: string, seed: number) => import('@tensorflow/tfjs').Sequential} */
function layered(tf, sizes, activation, seed) {
  const last = sizes.length - 2;
  return tf.sequential({
    layers: sizes.slice(1).map((units, i) =>
      tf.layers.dense({
        units,
        kernelInitializer: tf.initializers.glorotUniform({ seed: 100 * seed + i }),
        ...(i === 0 && { inputShape: [sizes[0]] }),
        ...(i < last && { activation: /** @type {'tanh'} */ (activation) }),
      }),
    ),
  });
}

const ops = { tanh: 'Tanh', relu: 'Relu', sigmoid: 'Sigmoid' };

/** @type {(settings: Settings, sizes: number[], data: Data) => Promise<Network>} */
async function inOnnx({ activation, seed }, sizes, { kind, samples, inputs, outputs, x, y }) {
  const [{ ort }, { trainable }, { mlp }] = await Promise.all([
    import('./ort.js'),
    import('quasi-newton/onnx'),
    import('../examples/lib/mlp.js'),
  ]);
  const op = ops[/** @type {keyof typeof ops} */ (activation)];
  const model = await trainable(ort, mlp(sizes, { activation: op, seed: Number(seed) }), {
    loss: kind === 'numbers' ? 'mse' : 'softmaxCrossEntropy',
    target: 'wasm',
  });
  return {
    problem: model.problem({
      x: { data: x, dims: [samples, inputs] },
      target: { data: y, dims: kind === 'numbers' ? [samples, outputs] : [samples] },
    }),
    async predict(point, given, count) {
      model.params.copyFrom(point);
      const { y: predicted } = await model.predict({ x: { data: given, dims: [count, inputs] } });
      return /** @type {Float32Array} */ (predicted.data);
    },
    dispose: () => model.dispose(),
  };
}
