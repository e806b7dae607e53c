import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../../core/layout.ts';
import type { Ort, OrtTensor } from '../../onnx/index.ts';
import { batchFeeder, views, type Column, type FedBatch } from './data.ts';
import { lossName, lossOf, openTraining, sampleWeightOf, targetOf, type OnnxOptions, type TrainingSessions } from './onnx.ts'; // prettier-ignore
import type { ModelPlan } from './plan.ts';
import type { ModelWeights } from './weights.ts';

/** Samples to train on, one column for each input or output. */
export interface TrainingColumns {
  readonly inputs: readonly Column[];
  readonly targets: readonly Column[];
  /** Factors of the losses of samples, for each output. */
  readonly weights: readonly Column[];
}

/** Results of one evaluation in training mode. */
export interface Evaluation {
  readonly loss: number;
  /** Mean loss of each output. */
  readonly lossOfOutput: readonly number[];
  /** Outputs of the model; empty unless requested. */
  readonly outputs: readonly OrtTensor[];
  /** Mean or variance of the batch for each moving statistic. */
  readonly statistics: readonly Float32Array[];
}

/** A batch with its random numbers; the next batch overwrites the same memory. */
export interface TrainingBatch {
  readonly size: number;
  readonly feeds: Readonly<Record<string, OrtTensor>>;
  /** Returns the targets as tensors owned by the caller. */
  targets(): tf.Tensor[];
}

/** Options of the sessions, and the source of random numbers. */
export interface TrainerOptions extends OnnxOptions {
  readonly random: () => number;
}

/** A model in training mode in ONNX Runtime. */
export class Trainer {
  readonly plan: ModelPlan;
  readonly weights: ModelWeights;
  /** Gradient of the last evaluation, `[n]`. */
  readonly gradient: Float32Array;
  private readonly sessions: TrainingSessions;
  private readonly gradients: Record<string, OrtTensor>;
  private readonly trained: Record<string, OrtTensor>;
  private readonly feed: ReturnType<typeof batchFeeder>;
  private readonly drawNoise: ReturnType<typeof noiseFeeder>;
  private readonly others: readonly string[];
  private lossSession: ReturnType<TrainingSessions['openLoss']> | null = null;

  private constructor(
    ort: Ort,
    model: tf.LayersModel,
    plan: ModelPlan,
    weights: ModelWeights,
    sessions: TrainingSessions,
    random: () => number,
  ) {
    // prettier-ignore
    const { training, trained, losses } = plan;
    this.plan = plan;
    this.sessions = sessions;
    this.weights = weights;
    const { values, params } = weights.trained;
    const parts = (names: readonly string[]) =>
      params.layout.tensors.map(({ offset, size, shape }, i) => ({ offset, size, shape, name: names[i] }));
    this.trained = views(ort, values, parts(trained.map((weight) => training.nameOf(weight)!)));
    this.gradient = new Float32Array(values.length);
    this.gradients = views(ort, this.gradient, parts(sessions.gradientNames));
    const several = losses.length > 1 ? losses.map((_, i) => lossOf(i)) : [];
    this.others = [lossName, ...several, ...sessions.statisticNames];
    const inputs = model.inputs.map(({ dtype }, i) => ({ name: training.inputs[i], dtype }));
    const targets = losses.map((_, i) => ({ name: targetOf(i), dtype: 'float32' }));
    const factors = losses.map((_, i) => ({ name: sampleWeightOf(i), dtype: 'float32' }));
    this.feed = batchFeeder(ort, [...inputs, ...targets, ...factors]);
    this.drawNoise = noiseFeeder(ort, plan, random);
  }

  /** Opens the sessions of a plan. */
  static async open(
    where: string,
    ort: Ort,
    model: tf.LayersModel,
    plan: ModelPlan,
    weights: ModelWeights,
    { random, ...options }: TrainerOptions,
  ): Promise<Trainer> {
    const sessions = await openTraining(where, ort, plan, options, tf.backend().epsilon());
    return new Trainer(ort, model, plan, weights, sessions, random);
  }

  /** Assembles rows `rows[from]`, …, `rows[to − 1]` of the data, and draws their noise. */
  batch(data: TrainingColumns, rows: ArrayLike<number>, from: number, to: number): TrainingBatch {
    const { inputs, targets, weights } = data;
    const fed = this.feed([...inputs, ...targets, ...weights], rows, from, to);
    return {
      size: fed.size,
      feeds: { ...this.withoutUnused(fed), ...this.drawNoise(fed.size) },
      targets: () =>
        targets.map((_, i) => {
          const at = inputs.length + i;
          return tf.tensor(fed.arrays[at].slice(), [...fed.shapes[at]], 'float32');
        }),
    };
  }

  /** Computes loss and gradient of a batch at the current weights. */
  async evaluate({ feeds }: TrainingBatch, wantsOutputs: boolean): Promise<Evaluation> {
    const { sessions, plan, gradient } = this;
    const names = wantsOutputs ? [...this.others, ...plan.training.outputs] : this.others;
    const fetches = sessions.fills
      ? { ...this.gradients, ...Object.fromEntries(names.map((name) => [name, null])) }
      : [...sessions.gradientNames, ...names];
    const results = await sessions.gradients.run({ ...feeds, ...this.trained }, fetches);
    if (!sessions.fills) {
      for (const [i, { offset }] of this.weights.trained.params.layout.tensors.entries()) {
        gradient.set(results[sessions.gradientNames[i]].data as Float32Array, offset);
      }
    }
    const scalar = (name: string) => Number(results[name].data[0]);
    return {
      loss: scalar(lossName),
      lossOfOutput:
        plan.losses.length > 1 ? plan.losses.map((_, i) => scalar(lossOf(i))) : [scalar(lossName)],
      outputs: wantsOutputs ? plan.training.outputs.map((name) => results[name]) : [],
      statistics: sessions.statisticNames.map((name) => results[name].data as Float32Array),
    };
  }

  /** Computes only the loss of a batch at the current weights. */
  async loss({ feeds }: TrainingBatch): Promise<number> {
    this.lossSession ??= this.sessions.openLoss();
    const results = await (await this.lossSession).run({ ...feeds, ...this.trained }, [lossName]);
    return Number(results[lossName].data[0]);
  }

  /** moving ← moving − (moving − batch)·(1 − momentum), in the arithmetic of TensorFlow.js. */
  updateStatistics(evaluation: Evaluation): void {
    const { statistics } = this.weights;
    if (!statistics) return;
    const { values, params } = statistics;
    for (const [k, { offset, size }] of params.layout.tensors.entries()) {
      const decay = Math.fround(1 - this.plan.statistics[k].momentum);
      const batch = evaluation.statistics[k];
      for (let i = 0; i < size; i++) {
        const old = values[offset + i];
        values[offset + i] = old - Math.fround(Math.fround(old - batch[i]) * decay);
      }
    }
    statistics.touch();
  }

  async release(): Promise<void> {
    await this.sessions.gradients.release();
    await (await this.lossSession)?.release();
  }

  /** Returns the feeds without sample weights if the loss is a scalar. */
  private withoutUnused({ feeds }: FedBatch): FedBatch['feeds'] {
    const unused = this.plan.losses.flatMap(({ isScalar }, i) => (isScalar ? [sampleWeightOf(i)] : []));
    if (unused.length === 0) return feeds;
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => !unused.includes(name)));
  }
}

/**
 * Creates a function that draws the noise of a batch into memory that the next batch of the same size
 * overwrites.
 */
function noiseFeeder(ort: Ort, { training }: ModelPlan, random: () => number) {
  const known = new Map<number, { tensors: Record<string, OrtTensor>; arrays: Float32Array[] }>();
  return (batch: number): Readonly<Record<string, OrtTensor>> => {
    let drawn = known.get(batch);
    if (!drawn) {
      if (known.size >= 16) known.clear();
      const shapes = training.noise.map(({ shape }) => shape.map((size) => size ?? batch));
      const arrays = shapes.map((shape) => new Float32Array(sizeOf(shape)));
      const tensors = training.noise.map(({ name }, i) =>
        Object.entries(
          views(ort, arrays[i], [{ name, offset: 0, size: arrays[i].length, shape: shapes[i] }]),
        ),
      );
      drawn = { tensors: Object.fromEntries(tensors.flat()), arrays };
      known.set(batch, drawn);
    }
    for (const [i, { fill }] of training.noise.entries()) fill(drawn.arrays[i], random);
    return drawn.tensors;
  };
}
