import type * as tf from '@tensorflow/tfjs';
import type { Ort, OrtTensor } from '../../onnx/index.ts';
import { batchFeeder, views, type Column } from './data.ts';
import { openGraph, type GraphSession, type OnnxOptions } from './onnx.ts';
import type { ModelPlan, WrittenGraph } from './plan.ts';
import type { ModelWeights } from './weights.ts';

/** A model in inference mode in ONNX Runtime. */
export class Predictor {
  private readonly session: GraphSession;
  private readonly graph: WrittenGraph;
  private readonly feed: ReturnType<typeof batchFeeder>;
  private readonly weights: Record<string, OrtTensor>;

  private constructor(
    ort: Ort,
    model: tf.LayersModel,
    session: GraphSession,
    graph: WrittenGraph,
    weights: Record<string, OrtTensor>,
  ) {
    // prettier-ignore
    this.session = session;
    this.graph = graph;
    this.weights = weights;
    this.feed = batchFeeder(
      ort,
      model.inputs.map(({ dtype }, i) => ({ name: graph.inputs[i], dtype })),
    );
  }

  /** Opens the session of a plan. */
  static async open(
    where: string,
    ort: Ort,
    model: tf.LayersModel,
    plan: ModelPlan,
    modelWeights: ModelWeights,
    options: OnnxOptions,
  ): Promise<Predictor> {
    const graph = plan.inference();
    const session = await openGraph(where, ort, graph.bytes, options);
    const owners = [plan.trained, plan.statistics.map(({ weight }) => weight)];
    const weights = [modelWeights.trained, modelWeights.statistics].map((mirror, k) => {
      if (mirror === null) return {};
      const parts = mirror.params.layout.tensors.flatMap((part, i) => {
        const name = graph.nameOf(owners[k][i]);
        return name === undefined ? [] : [{ ...part, name }];
      });
      return views(ort, mirror.values, parts);
    });
    return new Predictor(ort, model, session, graph, { ...weights[0], ...weights[1] });
  }

  /** Returns the outputs for samples [from, to) of the inputs. */
  async predict(inputs: readonly Column[], from: number, to: number): Promise<OrtTensor[]> {
    const rows = Int32Array.from({ length: to - from }, (_, i) => from + i);
    const { feeds } = this.feed(inputs, rows, 0, rows.length);
    const { outputs } = this.graph;
    const results = await this.session.run({ ...feeds, ...this.weights }, outputs);
    return outputs.map((name) => results[name]);
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}
