// Small versions of TensorFlow.js's own examples, with synthetic data where theirs are downloaded. Each trains with the
// given optimizer in the same way as the original, and returns the quantity that the original reports.
import * as tf from '@tensorflow/tfjs';
import { randomNumbers } from '../../examples/lib/mlp.js';
import { mnist } from '../../examples/lib/mnist.js';

const { layers: L } = tf;

/** Initializers that give all optimizers the same weights. */
const start = (/** @type {number} */ seed) => ({
  kernelInitializer: tf.initializers.glorotUniform({ seed }),
});
const startRecurrent = (/** @type {number} */ seed) => ({
  ...start(seed),
  recurrentInitializer: tf.initializers.glorotUniform({ seed: seed + 1 }),
});

/**
 * Compiles and fits a model; returns its last loss.
 *
 * @param {tf.LayersModel} model
 * @param {tf.Optimizer} optimizer
 * @param {{ x: tf.Tensor | tf.Tensor[], y: tf.Tensor, loss: string, batchSize: number, epochs: number }} data
 */
async function fitted(model, optimizer, { x, y, loss, batchSize, epochs }) {
  model.compile({ optimizer, loss });
  await model.fit(x, y, { batchSize, epochs, verbose: 0, shuffle: false, yieldEvery: 'never' });
  const value = tf.tidy(() => /** @type {tf.Scalar} */ (model.evaluate(x, y)).dataSync()[0]);
  model.dispose();
  tf.dispose([x, y]);
  return value;
}

/** polynomial-regression-core: four coefficients, `optimizer.minimize`. @param {tf.Optimizer} optimizer */
async function polynomial(optimizer) {
  const xs = tf.linspace(-1, 1, 100);
  const ys = tf.tidy(() => {
    const exact = xs.pow(3).mul(-0.8).add(xs.square().mul(-0.2)).add(xs.mul(0.9)).add(0.5);
    const noisy = exact.add(tf.randomNormal([100], 0, 0.05, 'float32', 1));
    const low = noisy.min();
    return noisy.sub(low).div(noisy.max().sub(low));
  });
  const variables = [0.3, -0.4, 0.2, 0.1].map((value) => tf.tidy(() => tf.variable(tf.scalar(value))));
  const [a, b, c, d] = variables;
  const loss = () => {
    const predicted = a.mul(xs.pow(3)).add(b.mul(xs.square())).add(c.mul(xs)).add(d);
    return /** @type {tf.Scalar} */ (predicted.sub(ys).square().mean());
  };
  for (let i = 0; i < 75; i++) optimizer.minimize(loss);
  const value = tf.tidy(() => loss().dataSync()[0]);
  tf.dispose([xs, ys, ...variables]);
  return value;
}

/** iris: a classifier of three kinds with four features each. @param {tf.Optimizer} optimizer */
async function iris(optimizer) {
  const kinds = tf.tidy(() => tf.range(0, 120).mod(3).toInt());
  const x = tf.tidy(() => {
    const centers = tf.tensor2d([[5, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3, 5.6, 2]]); // prettier-ignore
    return centers.gather(kinds).add(tf.randomNormal([120, 4], 0, 0.35, 'float32', 2));
  });
  const y = tf.tidy(() => tf.oneHot(kinds, 3).toFloat());
  kinds.dispose();
  const model = tf.sequential({
    layers: [
      L.dense({ units: 10, activation: 'sigmoid', inputShape: [4], ...start(1) }),
      L.dense({ units: 3, activation: 'softmax', ...start(2) }),
    ],
  });
  return fitted(model, optimizer, { x, y, loss: 'categoricalCrossentropy', batchSize: 32, epochs: 40 });
}

/** boston-housing: regression with two hidden layers on twelve features. @param {tf.Optimizer} optimizer */
async function housing(optimizer) {
  const x = tf.randomNormal([320, 12], 0, 1, 'float32', 3);
  const y = tf.tidy(() => {
    const [a, b, c] = tf.split(x, 3, 1).map((part) => part.mean(1, true));
    return a.mul(8).add(b.square().mul(6)).sub(c.tanh().mul(9)).add(22);
  });
  const model = tf.sequential({
    layers: [
      L.dense({ units: 50, activation: 'sigmoid', inputShape: [12], ...start(1) }),
      L.dense({ units: 50, activation: 'sigmoid', ...start(2) }),
      L.dense({ units: 1, ...start(3) }),
    ],
  });
  return fitted(model, optimizer, { x, y, loss: 'meanSquaredError', batchSize: 40, epochs: 30 });
}

/** addition-rnn: sums of numbers, read and written digit by digit. @param {tf.Optimizer} optimizer */
async function addition(optimizer) {
  const symbols = '0123456789+ ';
  const random = randomNumbers(4);
  const pairs = Array.from({ length: 256 }, () => [random(), random()].map((u) => Math.floor(50 * u)));
  const encode = (/** @type {string} */ text, /** @type {number} */ length) =>
    tf.oneHot(tf.tensor1d(Array.from(text.padEnd(length), (symbol) => symbols.indexOf(symbol)), 'int32'), symbols.length); // prettier-ignore
  const x = tf.tidy(() => tf.stack(pairs.map(([a, b]) => encode(`${a}+${b}`, 5))).toFloat());
  const y = tf.tidy(() => tf.stack(pairs.map(([a, b]) => encode(`${a + b}`, 2))).toFloat());
  const model = tf.sequential({
    layers: [
      L.lstm({ units: 24, inputShape: [5, symbols.length], ...startRecurrent(1) }),
      L.repeatVector({ n: 2 }),
      L.lstm({ units: 24, returnSequences: true, ...startRecurrent(3) }),
      L.timeDistributed({ layer: L.dense({ units: symbols.length, ...start(5) }) }),
      L.activation({ activation: 'softmax' }),
    ],
  });
  return fitted(model, optimizer, { x, y, loss: 'categoricalCrossentropy', batchSize: 64, epochs: 12 });
}

/** Digits as images and one-hot targets. @param {number} from @param {number} count */
function digitImages(from, count) {
  const { pixels, labels } = mnist(from, count);
  const x = tf.tidy(() => tf.tensor4d(pixels, [count, 28, 28, 1]).avgPool(2, 2, 'valid'));
  return { x, y: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat()), labels };
}

const weight = (/** @type {number[]} */ shape, /** @type {number} */ seed) =>
  tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.1, 'float32', seed)));

/** mnist-core: convolutions by hand; each evaluation of the loss draws another batch. @param {tf.Optimizer} optimizer */
async function mnistCore(optimizer) {
  const { x, y } = digitImages(0, 256);
  const variables = [weight([5, 5, 1, 4], 1), weight([3, 3, 4, 8], 2), weight([72, 10], 3), weight([10], 4)];
  const [first, second, dense, bias] = variables;
  const model = (/** @type {tf.Tensor4D} */ images) => {
    const one = images
      .conv2d(/** @type {tf.Tensor4D} */ (/** @type {tf.Tensor} */ (first)), 1, 'same')
      .relu()
      .maxPool(2, 2, 'valid');
    const two = one
      .conv2d(/** @type {tf.Tensor4D} */ (/** @type {tf.Tensor} */ (second)), 1, 'same')
      .relu()
      .maxPool(2, 2, 'valid');
    return two.reshape([-1, 72]).matMul(dense).add(bias);
  };
  const lossOf = (/** @type {tf.Tensor} */ images, /** @type {tf.Tensor} */ labels) =>
    /** @type {tf.Scalar} */ (
      tf.losses.softmaxCrossEntropy(labels, model(/** @type {tf.Tensor4D} */ (images)))
    );
  let at = 0;
  const nextBatch = () => {
    at = (at + 64) % 256;
    return { images: x.slice(at, 64), labels: y.slice(at, 64) };
  };
  for (let i = 0; i < 40; i++) {
    optimizer.minimize(() => {
      const { images, labels } = nextBatch();
      return lossOf(images, labels);
    });
  }
  const value = tf.tidy(() => lossOf(x, y).dataSync()[0]);
  tf.dispose([x, y, ...variables]);
  return value;
}

/** Two convolutions and a dense layer. @param {number} classes */
const digitsModel = (classes) =>
  tf.sequential({
    layers: [
      L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [14, 14, 1], ...start(1) }),
      L.maxPooling2d({ poolSize: 2 }),
      L.conv2d({ filters: 8, kernelSize: 3, activation: 'relu', ...start(2) }),
      L.flatten(),
      L.dense({ units: classes, activation: 'softmax', ...start(3) }),
    ],
  });

/** mnist: the same with layers and `fit`. @param {tf.Optimizer} optimizer */
async function mnistLayers(optimizer) {
  const { x, y } = digitImages(0, 320);
  return fitted(digitsModel(10), optimizer, {
    x,
    y,
    loss: 'categoricalCrossentropy',
    batchSize: 64,
    epochs: 6,
  });
}

/** mnist-transfer-cnn: trained on the digits below 5, then frozen but for the last layer. @param {tf.Optimizer} optimizer */
async function transfer(optimizer) {
  const { x, y, labels } = digitImages(0, 320);
  const rows = (/** @type {(label: number) => boolean} */ wanted) =>
    tf.tensor1d(Array.from(labels.keys()).filter((i) => wanted(labels[i])), 'int32'); // prettier-ignore
  const [low, high] = [rows((label) => label < 5), rows((label) => label >= 5)];
  const parts = tf.tidy(() => ({
    lowX: x.gather(low),
    lowY: y.gather(low).slice([0, 0], [-1, 5]),
    highX: x.gather(high),
    highY: y.gather(high).slice([0, 5], [-1, 5]),
  }));
  tf.dispose([x, y, low, high]);
  const model = digitsModel(5);
  const pretraining = tf.train.adam(0.01);
  model.compile({ optimizer: pretraining, loss: 'categoricalCrossentropy' });
  await model.fit(parts.lowX, parts.lowY, { epochs: 3, shuffle: false, verbose: 0, yieldEvery: 'never' });
  pretraining.dispose();
  tf.dispose([parts.lowX, parts.lowY]);
  for (const layer of model.layers.slice(0, 4)) layer.trainable = false;
  const data = { x: parts.highX, y: parts.highY, loss: 'categoricalCrossentropy', batchSize: 32, epochs: 8 };
  return fitted(model, optimizer, data);
}

const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
const apply = (/** @type {tf.layers.Layer} */ layer, /** @type {any} */ inputs) => /** @type {tf.SymbolicTensor} */ (layer.apply(inputs)); // prettier-ignore

/** date-conversion-attention: dates from one form to another, an encoder and a decoder with attention. @param {tf.Optimizer} optimizer */
async function dates(optimizer) {
  const symbols = '0123456789-/ ';
  const random = randomNumbers(6);
  const texts = Array.from({ length: 160 }, () => {
    const [day, month, year] = [
      1 + Math.floor(28 * random()),
      1 + Math.floor(12 * random()),
      Math.floor(100 * random()),
    ];
    return [`${two(month)}/${two(day)}/${two(year)}`, `${two(year)}-${two(month)}-${two(day)}`];
  });
  const encode = (/** @type {string[]} */ lines) => lines.map((line) => Array.from(line, (symbol) => symbols.indexOf(symbol))); // prettier-ignore
  const read = tf.tensor2d(encode(texts.map(([from]) => from)));
  const written = tf.tensor2d(encode(texts.map(([, to]) => ` ${to.slice(0, -1)}`)));
  const y = tf.tidy(() => tf.oneHot(tf.tensor2d(encode(texts.map(([, to]) => to)), undefined, 'int32'), symbols.length).toFloat()); // prettier-ignore
  const embedding = (/** @type {number} */ seed) =>
    L.embedding({ inputDim: symbols.length, outputDim: 12, inputLength: 8, embeddingsInitializer: tf.initializers.randomUniform({ seed }) }); // prettier-ignore
  const lstm = (/** @type {number} */ seed) =>
    L.lstm({ units: 16, returnSequences: true, ...startRecurrent(seed) });
  const [source, target] = [tf.input({ shape: [8] }), tf.input({ shape: [8] })];
  const encoded = apply(lstm(2), apply(embedding(1), source));
  const decoded = apply(lstm(5), apply(embedding(4), target));
  const attention = apply(
    L.activation({ activation: 'softmax' }),
    apply(L.dot({ axes: [2, 2] }), [decoded, encoded]),
  );
  const context = apply(L.dot({ axes: [2, 1] }), [attention, encoded]);
  const joined = apply(L.concatenate(), [context, decoded]);
  const hidden = apply(
    L.timeDistributed({ layer: L.dense({ units: 24, activation: 'tanh', ...start(7) }) }),
    joined,
  );
  const output = apply(L.timeDistributed({ layer: L.dense({ units: symbols.length, activation: 'softmax', ...start(8) }) }), hidden); // prettier-ignore
  const model = tf.model({ inputs: [source, target], outputs: output });
  const data = { x: [read, written], y, loss: 'categoricalCrossentropy', batchSize: 40, epochs: 8 };
  return fitted(model, optimizer, data);
}

const dense = (
  /** @type {number} */ units,
  /** @type {number} */ input,
  /** @type {number} */ seed,
  activation = 'relu',
) => L.dense({ units, activation: /** @type {'relu'} */ (activation), inputShape: [input], ...start(seed) });

/** fashion-mnist-vae: images through two numbers and back; the loss is the user's, and draws noise. @param {tf.Optimizer} optimizer */
async function autoencoder(optimizer) {
  const { x: images, y } = digitImages(0, 192);
  const x = images.reshape([192, 196]);
  tf.dispose([images, y]);
  const encoder = tf.sequential({ layers: [dense(32, 196, 1), dense(8, 32, 2, 'linear')] });
  const decoder = tf.sequential({ layers: [dense(32, 4, 3), dense(196, 32, 4, 'sigmoid')] });
  const weights = [encoder, decoder].flatMap((model) => model.trainableWeights.map((weight) => /** @type {tf.Variable} */ (weight.read()))); // prettier-ignore
  const loss = (/** @type {tf.Tensor} */ batch, /** @type {tf.Tensor} */ noise) => {
    const [mean, logVariance] = tf.split(/** @type {tf.Tensor} */ (encoder.apply(batch)), 2, 1);
    const z = mean.add(noise.mul(logVariance.div(2).exp()));
    const decoded = /** @type {tf.Tensor} */ (decoder.apply(z));
    const reconstruction = decoded.sub(batch).square().sum(1);
    const divergence = logVariance.add(1).sub(mean.square()).sub(logVariance.exp()).sum(1).mul(-0.5);
    return /** @type {tf.Scalar} */ (reconstruction.add(divergence).mean());
  };
  for (let epoch = 0; epoch < 15; epoch++) {
    for (let at = 0; at < 192; at += 64) {
      const batch = x.slice(at, 64);
      optimizer.minimize(() => loss(batch, tf.randomNormal([64, 4])), false, weights);
      batch.dispose();
    }
  }
  const value = tf.tidy(() => loss(x, tf.zeros([192, 4])).dataSync()[0]);
  tf.dispose([x]);
  encoder.dispose();
  decoder.dispose();
  return value;
}

/** One step of the cart, by Euler's method. @param {number[]} state @param {number} force */
const moved = ([x, v, angle, rate], force) => {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const push = (10 * force + 0.05 * rate * rate * sin) / 1.1;
  const turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos * cos) / 1.1));
  const speed = push - (0.05 * turn * cos) / 1.1;
  return [x + 0.02 * v, v + 0.02 * speed, angle + 0.02 * rate, rate + 0.02 * turn];
};

/** cart-pole: gradients of a policy, summed over games, and `optimizer.applyGradients`. @param {tf.Optimizer} optimizer */
async function cartPole(optimizer) {
  const random = randomNumbers(8);
  const policy = tf.sequential({
    layers: [
      L.dense({ units: 8, activation: 'elu', inputShape: [4], ...start(1) }),
      L.dense({ units: 1, ...start(2) }),
    ],
  });
  const variables = policy.trainableWeights.map((weight) => /** @type {tf.Variable} */ (weight.read()));
  const play = () => {
    let state = Array.from({ length: 4 }, () => 0.1 * (random() - 0.5));
    /** @type {tf.NamedTensorMap[]} */
    const gradients = [];
    while (gradients.length < 100 && Math.abs(state[0]) < 2.4 && Math.abs(state[2]) < 0.21) {
      const draw = random();
      let action = 0;
      const { value, grads } = tf.variableGrads(() => {
        const left = /** @type {tf.Tensor} */ (policy.apply(tf.tensor2d([state]))).sigmoid();
        action = draw < left.dataSync()[0] ? 0 : 1;
        const label = tf.tensor2d([[1 - action]]);
        return tf.losses.logLoss(label, left).asScalar();
      }, variables);
      value.dispose();
      gradients.push(grads);
      state = moved(state, action === 0 ? -1 : 1);
    }
    return gradients;
  };
  let played = 0;
  const rounds = 12;
  for (let round = 0; round < rounds; round++) {
    const games = Array.from({ length: 8 }, play);
    const total = games.reduce((sum, game) => sum + game.length, 0);
    if (round >= rounds - 3) played += total / 24;
    // Discounted sum of the rewards after each step, minus its mean.
    const rewards = games.flatMap((game) => game.map((_, k) => (1 - 0.95 ** (game.length - k)) / 0.05));
    const mean = rewards.reduce((a, b) => a + b) / total;
    const spread = Math.sqrt(rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / total) || 1;
    const steps = games.flat();
    const gradients = tf.tidy(
      () =>
      Object.fromEntries(variables.map(({ name }) => [name, steps.reduce((sum, grads, k) => sum.add(grads[name].mul((rewards[k] - mean) / spread / total)), tf.zerosLike(steps[0][name]))])), // prettier-ignore
    );
    optimizer.applyGradients(gradients);
    tf.dispose([gradients, ...steps]);
  }
  policy.dispose();
  return played;
}

/**
 * The examples, each with its own optimizer. All return a loss, except the last, which returns the length of the games.
 *
 * @type {{ name: string, own: () => tf.Optimizer, train: (optimizer: tf.Optimizer) => Promise<number> }[]}
 */
export const examples = [
  { name: 'polynomial', own: () => tf.train.sgd(0.5), train: polynomial },
  { name: 'iris', own: () => tf.train.adam(0.01), train: iris },
  { name: 'boston housing', own: () => tf.train.sgd(0.01), train: housing },
  { name: 'addition RNN', own: () => tf.train.adam(), train: addition },
  { name: 'MNIST core', own: () => tf.train.sgd(0.1), train: mnistCore },
  { name: 'MNIST layers', own: () => tf.train.rmsprop(0.001), train: mnistLayers },
  { name: 'MNIST transfer', own: () => tf.train.adam(0.001), train: transfer },
  { name: 'date attention', own: () => tf.train.adam(), train: dates },
  { name: 'VAE', own: () => tf.train.adam(), train: autoencoder },
  { name: 'cart-pole (steps)', own: () => tf.train.adam(0.05), train: cartPole },
];
