/**
 * The only access to the ONNX adapter, which is loaded when a model is first trained, so that other users of
 * this entry point do not load it.
 *
 * @module
 */
import type { Builder, DifferentiateOptions, Ort, OrtSession, Value } from '../../onnx/index.ts';
import type { Plan } from '../../onnx/train/options.ts';
import { absolute, type LossWriter } from './losses.ts';
import type { ModelPlan } from './plan.ts';

/** A graph loaded by ONNX Runtime; errors are those of ONNX Runtime. */
export interface GraphSession {
  readonly run: OrtSession['run'];
  readonly release: () => Promise<void>;
}

/** Session for the loss and its gradients, and the names of its outputs. */
export interface TrainingSessions {
  readonly gradients: GraphSession;
  /** Opens the graph that computes only the loss. */
  readonly openLoss: () => Promise<GraphSession>;
  /** Names of the gradients, in the order of the trained weights. */
  readonly gradientNames: readonly string[];
  /** Names of the statistics of a batch, in the order of the plan. */
  readonly statisticNames: readonly string[];
  /** True if ONNX Runtime writes into preallocated output tensors. */
  readonly fills: boolean;
}

/** Options of a session. */
export interface OnnxOptions {
  readonly target?: 'cpu' | 'wasm' | 'webgpu' | undefined;
  readonly sessionOptions?: object | undefined;
}

export const lossName = 'loss';
/** Returns the name of the input for the targets of an output. */
export const targetOf = (i: number): string => `target_of_output_${i}`;
/** Returns the name of the input for the sample weights of an output. */
export const sampleWeightOf = (i: number): string => `sample_weight_of_output_${i}`;
/** Returns the name of the mean loss of an output. */
export const lossOf = (i: number): string => `loss_of_output_${i}`;

/** Opens the sessions for training. @param epsilon - ε of the TensorFlow.js backend */
export async function openTraining(
  where: string,
  ort: Ort,
  plan: ModelPlan,
  options: OnnxOptions,
  epsilon: number,
): Promise<TrainingSessions> {
  const [
    { differentiateGraph },
    { batchStatisticNameOf, gradientNameOf },
    graphs,
    { fillsOutputs },
    planned,
  ] = await Promise.all([
    import('../../onnx/differentiate.ts'),
    import('../../onnx/ir/convention.ts'),
    import('../../onnx/train/graphs.ts'),
    import('../../onnx/train/ort.ts'),
    planFor(where, options),
  ]);
  const { target } = options;
  const { training, trained, statistics, losses, penalties } = plan;
  const nameOf = (weight: (typeof trained)[number]) => training.nameOf(weight)!;
  const asked: DifferentiateOptions = {
    loss: (g, context) =>
      totalLoss(g, {
        losses,
        outputs: training.outputs.map(context.value),
        penalties: penalties.map(({ name, l1, l2 }) => ({ l1, l2, weight: context.value(name) })),
        target: context.target,
        epsilon,
      }),
    wrt: trained.map(nameOf),
    keep: training.outputs,
    ...(target !== undefined && { target }),
  };
  const { bytes } = differentiateGraph(training.bytes, asked, planned.keepsWeights).differentiated;
  return {
    gradients: await openGraph(where, ort, bytes, options),
    openLoss: () => openGraph(where, ort, graphs.lossGraph(bytes), options),
    gradientNames: trained.map((weight) => gradientNameOf(nameOf(weight))),
    statisticNames: statistics.map(({ weight }) => batchStatisticNameOf(nameOf(weight))),
    fills: fillsOutputs(ort),
  };
}

/** Opens a graph with the session options of the ONNX adapter, or the user's. */
export async function openGraph(
  where: string,
  ort: Ort,
  bytes: Uint8Array,
  options: OnnxOptions,
): Promise<GraphSession> {
  const [plan, { openPlanned }, { run }] = await Promise.all([
    planFor(where, options),
    import('../../onnx/train/blocks.ts'),
    import('../../onnx/train/session.ts'),
  ]);
  const opened = await openPlanned(ort, bytes, plan, 'float32');
  return { run: (feeds, fetches) => run(opened, feeds, fetches), release: () => opened.release() };
}

/** The plan of sessions with these options. */
async function planFor(where: string, { target, sessionOptions }: OnnxOptions): Promise<Plan> {
  const { planOf } = await import('../../onnx/train/options.ts');
  return planOf(where, {
    loss: 'mse',
    ...(target !== undefined && { target }),
    ...(sessionOptions !== undefined && { sessionOptions }),
  });
}

interface LossParts {
  readonly losses: readonly LossWriter[];
  readonly outputs: readonly Value[];
  readonly penalties: readonly { readonly weight: Value; readonly l1: number; readonly l2: number }[];
  readonly target: (name: string, like: Value) => Value;
  readonly epsilon: number;
}

/** Writes the total loss: Σ mean(wᵢ·lossᵢ) over the outputs, plus the penalties. */
function totalLoss(g: Builder, { losses, outputs, penalties, target, epsilon }: LossParts): Value {
  const terms = losses.map(({ write, isScalar, isSparse }, i) => {
    const y = outputs[i];
    const t = target(targetOf(i), isSparse ? g.sum(y, [-1]) : y);
    const values = write({ g, t, y, epsilon });
    const mean = isScalar
      ? values
      : g.meanOfAll(weighted(g, values, (like) => target(sampleWeightOf(i), like)));
    if (outputs.length > 1) g.addOutput(lossOf(i), mean);
    return mean;
  });
  for (const { weight, l1, l2 } of penalties) {
    if (l1 !== 0) terms.push(g.mul(l1, g.sumOfAll(absolute(g, weight))));
    if (l2 !== 0) terms.push(g.mul(l2, g.sumOfAll(g.square(weight))));
  }
  const [first, ...others] = terms;
  return g.add(first, ...others);
}

/** Multiplies losses, `[batch, …]`, by a weight for each sample. */
function weighted(g: Builder, losses: Value, input: (like: Value) => Value): Value {
  const rest = Array.from({ length: g.rank(losses) - 1 }, (_, i) => i + 1);
  const weights = input(rest.length === 0 ? losses : g.sum(losses, rest, false));
  return g.mul(losses, rest.length === 0 ? weights : g.unsqueeze(weights, rest));
}
