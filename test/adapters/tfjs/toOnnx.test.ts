/** Models of TensorFlow.js written as ONNX, layer by layer: what ONNX Runtime predicts is what TensorFlow.js predicts. */
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientDescent, minimize, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { enableSecondOrder, modelProblem, toOnnx } from 'quasi-newton/tfjs';
import { expectNoLeak, useBackend } from './harness.ts';

const { layers: L } = tf;

beforeAll(async () => {
  await useBackend('cpu');
  // TensorFlow.js alone cannot differentiate transposed 3-D convolution.
  enableSecondOrder();
});

/** Other weights than those a model begins with, the same each time; positive, for the variances among them. */
function perturb(model: tf.LayersModel): void {
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map(({ shape }, i) => {
        const noise = tf.randomNormal(shape, 0, 0.5, 'float32', 40 + i);
        return model.weights[i].originalName.includes('variance') ? noise.abs().add(0.2) : noise;
      }),
    ),
  );
}

/** Data for an input of this shape; whole numbers below 5 for layers that look something up. */
function dataFor(shape: readonly number[], seed: number, isIds: boolean): tf.Tensor {
  return tf.tidy(() =>
    isIds
      ? tf.randomUniform([...shape], 0, 5, 'int32', seed).toFloat()
      : tf.randomNormal([...shape], 0, 1, 'float32', seed),
  );
}

async function runOnnx(
  bytes: Uint8Array,
  inputs: Record<string, tf.Tensor>,
): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(bytes);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [
      name,
      new ort.Tensor('float32', Float32Array.from(tensor.dataSync()), tensor.shape),
    ]),
  );
  return session.run(feeds);
}

/** How far predictions are apart, relative to the largest, at most, on batches of two sizes; Infinity if shapes differ. */
async function largestError(model: tf.LayersModel, isIds = false): Promise<number> {
  const before = tf.memory().numTensors;
  const bytes = toOnnx(model);
  if (tf.memory().numTensors !== before) throw new Error('toOnnx has left tensors behind.');
  let worst = 0;
  for (const batch of [3, 1]) {
    const inputs = model.inputs.map(({ shape }, i) =>
      dataFor([batch, ...shape.slice(1).map((size) => size ?? 6)], 7 + i, isIds),
    );
    const expected = [model.predict(inputs, { batchSize: 100 })].flat();
    const named = Object.fromEntries(model.inputNames.map((name, i) => [name, inputs[i]]));
    const results = Object.values(await runOnnx(bytes, named));
    for (const [i, output] of expected.entries()) {
      if (String(results[i].dims) !== String(output.shape)) return Infinity;
      const values = output.dataSync();
      const scale = Math.max(1, ...values.map(Math.abs));
      const errors = values.map((value, k) => Math.abs(value - Number(results[i].data[k])));
      worst = Math.max(worst, Math.max(...errors) / scale);
    }
    tf.dispose([inputs, expected]);
  }
  return worst;
}

/** A product of two inputs of these shapes. */
function multiplied(...shapes: number[][]): tf.LayersModel {
  const inputs = shapes.map((shape) => tf.input({ shape }));
  return tf.model({ inputs, outputs: L.multiply().apply(inputs) as tf.SymbolicTensor });
}

/** A stack of layers, of which the first is told its input. */
const stack = (...layers: tf.layers.Layer[]) => tf.sequential({ layers });
/** The types of tfjs hide that a cell is one. */
const cellOf = (cell: unknown) => cell as ReturnType<typeof L.simpleRNNCell>;
const image = { inputShape: [7, 6, 3] };
const series = { inputShape: [8, 3] };
const volume = { inputShape: [4, 5, 4, 2] };

const activations = ['linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'tanh', 'softmax', 'swish', 'mish', 'gelu', 'gelu_new', 'logSoftmax'] as const; // prettier-ignore

const cases: Record<string, () => tf.LayersModel> = {
  ...Object.fromEntries(
    activations.map((activation) => [
      `dense, ${activation}`,
      () => stack(L.dense({ units: 4, activation: activation as 'relu', inputShape: [5] })),
    ]),
  ),
  ...Object.fromEntries(
    activations.map((activation) => [
      `conv2d, ${activation}`,
      () => stack(L.conv2d({ filters: 4, kernelSize: 3, activation: activation as 'relu', ...image })),
    ]),
  ),
  'dense without bias': () => stack(L.dense({ units: 4, useBias: false, inputShape: [5] })),
  'dense on sequences': () => stack(L.dense({ units: 4, ...series })),
  'dropout and noise': () =>
    stack(
      L.dropout({ rate: 0.5, inputShape: [5] }),
      L.gaussianNoise({ stddev: 1 }),
      L.gaussianDropout({ rate: 0.5 }),
      L.alphaDropout({ rate: 0.5 }),
      L.dense({ units: 2 }),
    ),
  spatialDropout1d: () => stack(L.spatialDropout1d({ rate: 0.5, ...series })),
  'activation as a layer': () => stack(L.activation({ activation: 'tanh', inputShape: [5] })),
  reLU: () => stack(L.reLU({ maxValue: 0.7, inputShape: [5] })),
  leakyReLU: () => stack(L.leakyReLU({ alpha: 0.2, inputShape: [5] })),
  'leakyReLU with the default': () => stack(L.leakyReLU({ inputShape: [5] })),
  elu: () => stack(L.elu({ inputShape: [5] })),
  thresholdedReLU: () => stack(L.thresholdedReLU({ theta: 0.4, inputShape: [5] })),
  prelu: () => stack(L.prelu({ inputShape: [5] })),
  'prelu after conv2d, shared': () =>
    stack(L.conv2d({ filters: 3, kernelSize: 3, ...image }), L.prelu({ sharedAxes: [1, 2] })),
  softmax: () => stack(L.softmax({ inputShape: [5] })),
  conv1d: () => stack(L.conv1d({ filters: 4, kernelSize: 3, ...series })),
  'conv1d, same, strides': () =>
    stack(L.conv1d({ filters: 4, kernelSize: 3, padding: 'same', strides: 2, ...series })),
  'conv2d, same, strides': () => stack(L.conv2d({ filters: 4, kernelSize: [3, 2], padding: 'same', strides: [2, 3], ...image })), // prettier-ignore
  'conv2d, same, even kernel': () =>
    stack(L.conv2d({ filters: 4, kernelSize: 4, padding: 'same', ...image })),
  'conv2d, dilated, without bias': () => stack(L.conv2d({ filters: 4, kernelSize: 2, dilationRate: 2, useBias: false, ...image })), // prettier-ignore
  'conv2d, dilated, same': () =>
    stack(L.conv2d({ filters: 3, kernelSize: 3, dilationRate: 2, padding: 'same', ...image })),
  conv3d: () =>
    stack(L.conv3d({ filters: 3, kernelSize: 2, padding: 'same', activation: 'relu', ...volume })),
  'conv2dTranspose, valid': () =>
    stack(L.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2, ...image })),
  'conv2dTranspose, same': () => stack(L.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', activation: 'tanh', ...image })), // prettier-ignore
  'conv2dTranspose, same, even kernel': () => stack(L.conv2dTranspose({ filters: 2, kernelSize: 4, strides: 2, padding: 'same', ...image })), // prettier-ignore
  'conv2dTranspose, strides larger than the kernel': () => stack(L.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 3, padding: 'same', ...image })), // prettier-ignore
  'conv2dTranspose, valid, strides larger than the kernel': () => stack(L.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 3, ...image })), // prettier-ignore
  conv3dTranspose: () => stack(L.conv3dTranspose({ filters: 3, kernelSize: 2, strides: 2, ...volume })),
  depthwiseConv2d: () =>
    stack(L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, activation: 'relu', ...image })),
  'depthwiseConv2d, same, strides': () =>
    stack(L.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same', ...image })),
  separableConv2d: () => stack(L.separableConv2d({ filters: 4, kernelSize: 3, depthMultiplier: 2, activation: 'tanh', ...image })), // prettier-ignore
  maxPooling1d: () => stack(L.maxPooling1d({ poolSize: 2, ...series })),
  'maxPooling2d, same': () => stack(L.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same', ...image })),
  ...Object.fromEntries(
    [2, 3, 4].flatMap((strides) =>
      [1, 2].flatMap((poolSize) => [
        [`maxPooling2d ${poolSize}, same, strides ${strides}`, () => stack(L.maxPooling2d({ poolSize, strides, padding: 'same', ...image }))],
        [`averagePooling1d ${poolSize}, same, strides ${strides}`, () => stack(L.averagePooling1d({ poolSize, strides, padding: 'same', ...series }))],
        [`conv2d ${poolSize}, same, strides ${strides}`, () => stack(L.conv2d({ filters: 2, kernelSize: poolSize, strides, padding: 'same', ...image }))],
      ]),
    ),
  ), // prettier-ignore
  maxPooling2d: () => stack(L.maxPooling2d({ poolSize: [2, 3], ...image })),
  maxPooling3d: () => stack(L.maxPooling3d({ poolSize: 2, ...volume })),
  averagePooling1d: () => stack(L.averagePooling1d({ poolSize: 3, strides: 1, ...series })),
  'averagePooling2d, same': () =>
    stack(L.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same', ...image })),
  averagePooling3d: () => stack(L.averagePooling3d({ poolSize: 2, ...volume })),
  globalMaxPooling1d: () => stack(L.globalMaxPooling1d({ ...series })),
  globalAveragePooling1d: () => stack(L.globalAveragePooling1d({ ...series })),
  'globalMaxPooling2d after conv2d': () =>
    stack(L.conv2d({ filters: 4, kernelSize: 3, ...image }), L.globalMaxPooling2d({})),
  globalAveragePooling2d: () => stack(L.globalAveragePooling2d({ ...image })),
  batchNormalization: () =>
    stack(L.dense({ units: 4, inputShape: [5] }), L.batchNormalization({ epsilon: 0.01 })),
  'batchNormalization of images': () => stack(L.conv2d({ filters: 4, kernelSize: 3, ...image }), L.batchNormalization(), L.reLU()), // prettier-ignore
  'batchNormalization without scale and center': () =>
    stack(L.batchNormalization({ scale: false, center: false, ...series })),
  layerNormalization: () => stack(L.layerNormalization({ inputShape: [5] })),
  'layerNormalization over two axes': () =>
    stack(L.layerNormalization({ axis: [1, 2], epsilon: 0.1, ...series })),
  flatten: () => stack(L.conv2d({ filters: 2, kernelSize: 3, ...image }), L.flatten(), L.dense({ units: 2 })),
  'flatten, channels first': () =>
    stack(L.conv2d({ filters: 2, kernelSize: 3, ...image }), L.flatten({ dataFormat: 'channelsFirst' })),
  reshape: () => stack(L.reshape({ targetShape: [4, 6], ...series }), L.dense({ units: 2 })),
  'reshape with a size to be worked out': () => stack(L.reshape({ targetShape: [4, -1], ...series })),
  permute: () => stack(L.permute({ dims: [3, 1, 2], ...image })),
  repeatVector: () => stack(L.repeatVector({ n: 3, inputShape: [5] })),
  zeroPadding2d: () => stack(L.zeroPadding2d({ padding: [[1, 2], [0, 3]], ...image })), // prettier-ignore
  cropping2D: () => stack(L.cropping2D({ cropping: [[1, 2], [1, 0]], ...image })), // prettier-ignore
  upSampling2d: () => stack(L.upSampling2d({ size: [2, 3], ...image })),
  'upSampling2d, bilinear': () =>
    stack(L.upSampling2d({ size: [2, 2], interpolation: 'bilinear', ...image })),
  rescaling: () => stack(L.rescaling({ scale: 0.5, offset: -1, inputShape: [5] })),
  simpleRNN: () => stack(L.simpleRNN({ units: 4, ...series })),
  'simpleRNN, sequences, relu, no bias': () => stack(L.simpleRNN({ units: 4, returnSequences: true, activation: 'relu', useBias: false, ...series })), // prettier-ignore
  'simpleRNN, backwards, sequences': () => stack(L.simpleRNN({ units: 4, returnSequences: true, goBackwards: true, ...series })), // prettier-ignore
  lstm: () => stack(L.lstm({ units: 4, ...series })),
  'rnn of a simpleRNNCell': () => stack(L.rnn({ cell: L.simpleRNNCell({ units: 4 }), ...series })),
  'rnn of an lstmCell, sequences': () => stack(L.rnn({ cell: cellOf(L.lstmCell({ units: 4 })), returnSequences: true, ...series })), // prettier-ignore
  'rnn of a gruCell, backwards': () => stack(L.rnn({ cell: cellOf(L.gruCell({ units: 4 })), goBackwards: true, ...series })), // prettier-ignore
  centerCrop: () =>
    stack(L.centerCrop({ height: 3, width: 4, ...image }), L.flatten(), L.dense({ units: 2 })),
  'centerCrop, odd': () =>
    stack(L.centerCrop({ height: 4, width: 3, ...image }), L.flatten(), L.dense({ units: 2 })),
  'centerCrop to a larger size': () =>
    stack(L.centerCrop({ height: 9, width: 8, ...image }), L.conv2d({ filters: 2, kernelSize: 3 })),
  'lstm, sequences, sigmoid gates': () => stack(L.lstm({ units: 4, returnSequences: true, recurrentActivation: 'sigmoid', ...series })), // prettier-ignore
  'lstm, backwards': () => stack(L.lstm({ units: 4, goBackwards: true, activation: 'softsign', ...series })),
  gru: () => stack(L.gru({ units: 4, ...series })),
  'gru, sequences': () =>
    stack(L.gru({ units: 4, returnSequences: true, recurrentActivation: 'sigmoid', ...series })),
  'two recurrent layers': () =>
    stack(L.lstm({ units: 4, returnSequences: true, ...series }), L.gru({ units: 3 })),
  ...Object.fromEntries(
    (['concat', 'sum', 'mul', 'ave'] as const).flatMap((mergeMode) =>
      [true, false].map((returnSequences) => [
        `bidirectional, ${mergeMode}${returnSequences ? ', sequences' : ''}`,
        () => stack(L.bidirectional({ layer: L.gru({ units: 3, returnSequences }), mergeMode, ...series })),
      ]),
    ),
  ),
  'timeDistributed dense': () =>
    stack(L.timeDistributed({ layer: L.dense({ units: 4, activation: 'tanh' }), ...series })),
  'timeDistributed conv2d': () =>
    stack(
      L.timeDistributed({ layer: L.conv2d({ filters: 2, kernelSize: 3 }), inputShape: [3, 5, 5, 2] }),
      L.flatten(),
    ),
  'a sequence of unknown length': () =>
    stack(L.lstm({ units: 4, inputShape: [null, 3] }), L.dense({ units: 1 })),
  'images of unknown size': () =>
    stack(L.conv2d({ filters: 3, kernelSize: 3, inputShape: [null, null, 2] }), L.globalAveragePooling2d({})),
};

describe('predicts in ONNX Runtime as in TensorFlow.js:', () => {
  it.each(Object.keys(cases))('a model predicts in ONNX Runtime as in TensorFlow.js: %s', (name) =>
    expectNoLeak(async () => {
      const model = cases[name]();
      perturb(model);
      expect(await largestError(model)).toBeLessThan(1e-5);
      model.dispose();
    }),
  );

  it('embedding', () =>
    expectNoLeak(async () => {
      const model = stack(L.embedding({ inputDim: 5, outputDim: 3, inputLength: 4 }), L.lstm({ units: 2 }));
      perturb(model);
      expect(await largestError(model, true)).toBeLessThan(1e-5);
      model.dispose();
    }));

  const merges: Record<string, () => tf.layers.Layer> = {
    add: () => L.add(),
    multiply: () => L.multiply(),
    average: () => L.average(),
    maximum: () => L.maximum(),
    minimum: () => L.minimum(),
    concatenate: () => L.concatenate(),
    'concatenate along axis 1': () => L.concatenate({ axis: 1 }),
  };
  it.each(Object.keys(merges))('%s, of vectors and of images, with a shared layer', async (name) => {
    for (const shape of [[5], [6, 6, 2]]) {
      const inputs = [0, 1, 2].map(() => tf.input({ shape }));
      const shared = shape.length > 1 ? L.conv2d({ filters: 2, kernelSize: 3 }) : L.dense({ units: 4 });
      const parts = inputs.map((input) => shared.apply(input) as tf.SymbolicTensor);
      const merged = merges[name]().apply(parts) as tf.SymbolicTensor;
      const model = tf.model({
        inputs,
        outputs: L.activation({ activation: 'tanh' }).apply(merged) as tf.SymbolicTensor,
      });
      perturb(model);
      expect(await largestError(model)).toBeLessThan(1e-5);
      model.dispose();
    }
  });

  it.each<[string, number | [number, number], number[][], boolean]>([
    ['of vectors', 1, [[5], [5]], false],
    ['of vectors, normalized', 1, [[5], [5]], true],
    [
      'of matrices',
      [2, 2],
      [
        [3, 5],
        [4, 5],
      ],
      false,
    ],
    [
      'of matrices, along others',
      [1, 1],
      [
        [5, 3],
        [5, 2],
      ],
      false,
    ],
    [
      'of matrices, normalized',
      [2, 1],
      [
        [3, 5],
        [5, 2],
      ],
      true,
    ],
  ])('dot %s', (_name, axes, shapes, normalize) =>
    // prettier-ignore
    expectNoLeak(async () => {
      const inputs = shapes.map((shape) => tf.input({ shape }));
      const model = tf.model({ inputs, outputs: L.dot({ axes, normalize }).apply(inputs) as tf.SymbolicTensor });
      expect(await largestError(model)).toBeLessThan(1e-5);
      model.dispose();
    }),
  );

  it('nested models, several outputs, and an output that is an input too', async () => {
    const trunk = stack(L.dense({ units: 4, activation: 'relu', inputShape: [5] }), L.batchNormalization());
    const input = tf.input({ shape: [5] });
    const other = tf.input({ shape: [5] });
    const [a, b] = [input, other].map((x) => trunk.apply(x) as tf.SymbolicTensor);
    const head = L.dense({ units: 2, activation: 'softmax' }).apply(
      L.add().apply([a, b]),
    ) as tf.SymbolicTensor;
    const model = tf.model({ inputs: [input, other], outputs: [head, a, L.concatenate().apply([b, other]) as tf.SymbolicTensor] }); // prettier-ignore
    perturb(model);
    expect(await largestError(model)).toBeLessThan(1e-5);
    model.dispose();
  });

  it('an encoder whose states a decoder begins with', () =>
    expectNoLeak(async () => {
      const [source, target] = [tf.input({ shape: [6, 3] }), tf.input({ shape: [4, 2] })];
      const [, h, c] = L.lstm({ units: 3, returnState: true }).apply(source) as tf.SymbolicTensor[];
      const decoder = L.lstm({ units: 3, returnSequences: true });
      const decoded = decoder.apply(target, { initialState: [h, c] }) as tf.SymbolicTensor;
      const model = tf.model({ inputs: [source, target], outputs: L.dense({ units: 2 }).apply(decoded) as tf.SymbolicTensor }); // prettier-ignore
      perturb(model);
      expect(await largestError(model)).toBeLessThan(1e-5);
      model.dispose();
    }));

  it('a convolutional network, with no value moved between its layers', () =>
    expectNoLeak(async () => {
      const model = stack(
        L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [12, 12, 1] }),
        L.batchNormalization(),
        L.maxPooling2d({ poolSize: 2 }),
        L.conv2d({ filters: 6, kernelSize: 3, padding: 'same' }),
        L.leakyReLU(),
        L.dropout({ rate: 0.3 }),
        L.averagePooling2d({ poolSize: 2 }),
        L.flatten(),
        L.dense({ units: 3, activation: 'softmax' }),
      );
      perturb(model);
      expect(await largestError(model)).toBeLessThan(1e-5);
      const bytes = toOnnx(model);
      // One to have the channels first, one to have them last again.
      expect(new TextDecoder('latin1').decode(bytes).match(/Transpose/g)).toHaveLength(2);
      model.dispose();
    }));
});

/** Cases that have nothing to train, that TensorFlow.js cannot differentiate, or that train otherwise than they predict. */
const untrained = /^(spatial|activation|reLU|leaky|elu|thresholded|softmax|max|average|global\w+1d|globalAv|repeat|permute|zero|cropping|upSampling|rescaling|reshape with|conv2d, dilated|dropout|batch|images of unknown)/; // prettier-ignore

describe('takes the steps in ONNX Runtime that it takes in TensorFlow.js, five of gradient descent:', () => {
  it.each(Object.keys(cases).filter((name) => !untrained.test(name)))(
    'a model takes the steps in ONNX Runtime that it takes in TensorFlow.js, five of gradient descent: %s',
    (name) =>
      expectNoLeak(async () => {
        const model = cases[name]();
        perturb(model);
        const [{ shape }] = model.inputs;
        const x = dataFor([3, ...shape.slice(1).map((size) => size ?? 6)], 7, false);
        const output = model.predict(x) as tf.Tensor;
        const y = tf.randomUniform(output.shape, 0, 1, 'float32', 9);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
        const trainableNames = model.trainableWeights.map(({ originalName }) => originalName);
        const onnx = await trainable(ort, toOnnx(model), { loss: 'mse', trainable: trainableNames });
        const feeds = Object.fromEntries(
          [[model.inputNames[0], x] as const, ['target', y] as const].map(([key, tensor]) => [
            key,
            { data: Float32Array.from(tensor.dataSync()), dims: tensor.shape },
          ]),
        );
        const solver = gradientDescent({ learningRate: 0.02 });
        const options = { maxIterations: 5, gtol: 0 };
        const there = await minimizeAsync(onnx.problem(feeds), solver, options);
        const here = minimize(modelProblem(model, x, y), solver, options);
        expect(there.trace).toHaveLength(6);
        for (const [i, { f, gradientNorm }] of here.trace.entries()) {
          expect(there.trace[i].f / f).toBeCloseTo(1, 4);
          expect(there.trace[i].gradientNorm / gradientNorm).toBeCloseTo(1, 3);
        }
        await onnx.dispose();
        model.dispose();
        tf.dispose([x, output, y]);
      }),
  );
});

describe('toOnnx', () => {
  it('gives weights their names, of which trainable trains those it knows', () =>
    expectNoLeak(async () => {
      const model = stack(L.dense({ units: 4, activation: 'tanh', inputShape: [2], name: 'hidden' }), L.dense({ units: 2, name: 'last' })); // prettier-ignore
      const onnx = await trainable(ort, toOnnx(model), { loss: 'mse' });
      expect(onnx.params.layout.tensors.map(({ name }) => name)).toEqual([
        'hidden/kernel',
        'hidden/bias',
        'last/kernel',
        'last/bias',
      ]);
      model.dispose();
    }));

  it('trains the bias of a single unit', () =>
    expectNoLeak(async () => {
      const model = stack(
        L.dense({ units: 2, activation: 'tanh', inputShape: [3], name: 'wide' }),
        L.dense({ units: 1, name: 'one' }),
      );
      const onnx = await trainable(ort, toOnnx(model), { loss: 'mse' });
      const names = onnx.params.layout.tensors.map(({ name }) => name);
      expect(names).toEqual(['wide/kernel', 'wide/bias', 'one/kernel', 'one/bias']);
      await onnx.dispose();
      model.dispose();
    }));

  it('tells weights of one name apart', () =>
    expectNoLeak(async () => {
      const twin = () => stack(L.dense({ units: 3, inputShape: [3], name: 'same' }));
      const input = tf.input({ shape: [3] });
      const [a, b] = [twin(), twin()];
      const output = b.apply(a.apply(input)) as tf.SymbolicTensor;
      const model = tf.model({ inputs: input, outputs: output });
      perturb(model);
      expect(await largestError(model)).toBeLessThan(1e-5);
      model.dispose();
    }));

  const refusals: [string, () => tf.LayersModel, RegExp][] = [
    ['masking', () => stack(L.masking({ ...series }), L.lstm({ units: 2 })), /"masking_\w+" \(Masking\) cannot be written.*these are: Dense/],
    ['an embedding with maskZero', () => stack(L.embedding({ inputDim: 5, outputDim: 3, maskZero: true, inputLength: 4 })), /maskZero/],
    ['a stateful RNN', () => stack(L.lstm({ units: 2, stateful: true, batchInputShape: [1, 4, 2] })), /it is stateful/],
    ['an RNN of stacked cells', () => stack(L.rnn({ cell: L.stackedRNNCells({ cells: [L.simpleRNNCell({ units: 2 })] }), inputShape: [3, 2] })), /its cell is a StackedRNNCells/], // prettier-ignore
    ['resizing', () => stack(L.resizing({ height: 2, width: 2, ...image })), /TensorFlow\.js itself cannot run it inside a model/],
    ['convLstm2d', () => stack(L.convLstm2d({ filters: 2, kernelSize: 2, inputShape: [2, 4, 4, 1] })), /ConvLSTM2D/],
    ['channels first', () => stack(L.maxPooling2d({ poolSize: 2, dataFormat: 'channelsFirst', inputShape: [2, 4, 4] })), /channelsFirst/],
    ['another axis of batchNormalization', () => stack(L.batchNormalization({ axis: 1, ...series })), /its axis is 1/],
    ['depthwiseConv2d with a dilation, which tfjs ignores', () => stack(L.depthwiseConv2d({ kernelSize: 2, dilationRate: 2, ...image })), /dilationRate, which TensorFlow.js does not apply/],
    ['conv3d whose windows tfjs shifts', () => stack(L.conv3d({ filters: 2, kernelSize: 2, strides: [1, 1, 4], padding: 'same', ...volume })), /shifts 3-D windows/],
    ['pooling of an open size, smaller than its stride', () => stack(L.maxPooling2d({ poolSize: 2, strides: 3, padding: 'same', inputShape: [null, null, 2] })), /the size of its input is not known/],
    ['multiply of images by rows', () => multiplied([4, 3, 2], [3, 2]), /different numbers of axes/],
    ['an activation that RNNs do not have', () => stack(L.gru({ units: 2, activation: 'selu', ...series })), /activation selu/],
  ]; // prettier-ignore
  it.each(refusals)('refuses %s, naming the layer', (_name, make, words) => {
    const model = make();
    expect(() => toOnnx(model)).toThrow(words);
    expect(() => toOnnx(model)).toThrow(/^toOnnx: layer "/);
    model.dispose();
  });

  it('writes models of another copy of TensorFlow.js, nested ones too', async () => {
    const require = createRequire(import.meta.url);
    const path = require.resolve('@tensorflow/tfjs-layers');
    const cached = require.cache[path];
    delete require.cache[path];
    const copy = require('@tensorflow/tfjs-layers') as typeof tf;
    require.cache[path] = cached;
    const within = copy.sequential({
      layers: [copy.layers.dense({ units: 3, inputShape: [5], name: 'copied' })],
    });
    const model = copy.sequential({ layers: [within, copy.layers.dense({ units: 2, name: 'copied2' })] });
    expect(model).not.toBeInstanceOf(tf.LayersModel);
    expect(await largestError(model)).toBeLessThan(1e-5);
    model.dispose();
  });

  it('refuses a model without layers', () => {
    expect(() => toOnnx(tf.sequential())).toThrow('toOnnx: the model has no layers; add some first.');
  });

  it('refuses what is no LayersModel', () => {
    expect(() => toOnnx({} as tf.LayersModel)).toThrow(/^toOnnx: the model must be a tf.LayersModel, got/);
  });
});
