/**
 * Trains a small model in a process of its own: `node resume.js <optimizer> <epochs> <from> <to>` begins with
 * the model in the file `from` (or `-`, a new one), and writes it with its optimizer to `to`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import * as plugin from 'quasi-newton/tfjs';

const [optimizerName, epochs, from, to] = process.argv.slice(2);
const classes = /** @type {Record<string, new (options: object) => tf.Optimizer>} */ (
  /** @type {unknown} */ (plugin)
);
plugin.register();
await tf.setBackend('cpu');

/** @param {number} seed */
const glorot = (seed) => tf.initializers.glorotUniform({ seed });

function freshModel() {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 5, inputShape: [1], activation: 'tanh', kernelInitializer: glorot(1) }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 5, activation: 'tanh', kernelInitializer: glorot(2) }),
      tf.layers.dense({ units: 1, kernelInitializer: glorot(3) }),
    ],
  });
  const optimizer = new classes[optimizerName]({ maxIterations: 2 });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return model;
}

async function loadedModel() {
  const { weightData, ...rest } = JSON.parse(readFileSync(from, 'utf8'));
  const bytes = Uint8Array.from(Buffer.from(weightData, 'base64'));
  return tf.loadLayersModel(tf.io.fromMemory({ ...rest, weightData: bytes.buffer }));
}

const model = from === '-' ? freshModel() : await loadedModel();
const x = tf.linspace(-3, 3, 60).reshape([60, 1]);
await model.fit(x, x.sin(), { batchSize: 30, epochs: Number(epochs), shuffle: false, verbose: 0 });
await model.save(
  tf.io.withSaveHandler(async (artifacts) => {
    const weightData = Buffer.from(/** @type {ArrayBuffer} */ (artifacts.weightData)).toString('base64');
    writeFileSync(to, JSON.stringify({ ...artifacts, weightData }));
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  }),
  { includeOptimizer: true },
);
