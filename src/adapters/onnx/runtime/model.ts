import { isLeft } from 'fp-ts/lib/Either.js';
import { checkLength, type ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision } from '../../../core/problem.ts';
import { hessianVectorNameOf, lossName, vectorNameOf } from '../convention.ts';
import type { Differentiated } from '../differentiate.ts';
import { checkFeeds, type Feeds } from './feeds.ts';
import { hessianGraph, lossGraph, manyLosses, manyLossesGraph, predictionGraph } from './graphs.ts';
import { dataInputs, targetInputs, type InputSpec } from './inputs.ts';
import type { Plan } from './options.ts';
import { tensorOver, type Ort, type OrtSession, type OrtTensor, type OrtTensors } from './ort.ts';
import { inTurn, once, open, run } from './session.ts';
import { observer, runningStatistics, settling } from './statistics.ts';
import { gather, viewsOf, weightsOf, zeros, type Reals } from './weights.ts';
import { writeBack, type NewValues, type WriteOptions } from './writeBack.ts';

/** A loss of a model on given data, as a function of the model's parameters. */
export interface OnnxProblem extends AsyncProblem {
  readonly params: ParamSet;
  readonly precision: Precision;
}

/** A model being trained in ONNX Runtime. */
export interface OnnxModel {
  /** What the model holds. A solver leaves the best point here; evaluations do not touch it. */
  readonly params: ParamSet;
  readonly precision: Precision;
  /** What a problem is fed with: the model's inputs and the targets of its loss. */
  readonly inputs: readonly InputSpec[];
  /** Parameters that the loss does not depend on. */
  readonly unused: readonly string[];
  /**
   * The loss as a problem for `minimizeAsync` and `landscapeAsync`.
   *
   * @param feeds - data and target by input name; tensors are referred to, not copied. Or a function that gives the
   *   next mini-batch, such as {@link miniBatches} makes
   * @throws OnnxError naming every feed that is wrong; with a function, the problem throws it when it comes to it
   */
  problem(feeds: Feeds | (() => Feeds | Promise<Feeds>)): OnnxProblem;
  /**
   * The model's outputs, by name, with the parameters as they are, in inference mode.
   *
   * @param feeds - the model's own inputs
   * @throws OnnxError naming every feed that is wrong
   */
  predict(feeds: Feeds): Promise<OrtTensors>;
  /** The model's file with the parameters as they are, and all else as it was. */
  toBytes(options?: WriteOptions): Uint8Array;
  /** Releases the sessions of ONNX Runtime. The parameters can still be read and written to a file. */
  dispose(): Promise<void>;
}

/** What a model is made of. */
export interface Loaded {
  readonly ort: Ort;
  /** The model's file. */
  readonly bytes: Uint8Array;
  readonly plan: Plan;
  readonly differentiated: Differentiated;
  /** A session of `differentiated`. */
  readonly gradients: OrtSession;
}

/** Puts a model together. */
export function onnxModel({ ort, bytes, plan, differentiated, gradients }: Loaded): OnnxModel {
  const { parameters, precision, statistics } = differentiated;
  const weights = weightsOf(ort, parameters, precision, [
    lossName,
    ...statistics.map(({ output }) => output),
  ]);
  const running = runningStatistics(bytes, differentiated, plan.differentiate);
  const { params, values, point, inputs } = weights;
  const lossInputs = [...dataInputs(differentiated), ...targetInputs(differentiated)];

  const sessions: Promise<OrtSession>[] = [Promise.resolve(gradients)];
  let disposed = false;
  const another = (graph: Uint8Array) => {
    const session = open(ort, graph, plan.session);
    sessions.push(session);
    return session;
  };
  const lossOnly = once(() => another(lossGraph(differentiated.bytes)));
  const lossOfMany = once(() => another(manyLossesGraph(lossGraph(differentiated.bytes), differentiated)));
  const hessian = once(async () => {
    const direction = zeros(precision, params.length);
    const session = await another(hessianGraph(bytes, plan.differentiate));
    return { session, direction, inputs: viewsOf(ort, params.layout, direction, vectorNameOf) };
  });
  const products = parameters.map(({ name }) => hessianVectorNameOf(name));
  const trained = [...parameters.map(({ name }) => name), ...running.keys()];
  const prediction = once(async () => {
    const graph = predictionGraph(bytes, trained, plan.differentiate);
    return { ...graph, session: await another(graph.bytes) };
  });
  // One run at a time: all share the buffer that ONNX Runtime reads the point from.
  const alone = inTurn();
  const alive = () => {
    if (disposed) throw new Error('This model has been disposed of; load it again.');
  };
  const checked = (specs: readonly InputSpec[], feeds: Feeds): OrtTensors => {
    const result = checkFeeds(ort, specs, feeds);
    if (isLeft(result)) throw result.left;
    return result.right;
  };

  return {
    params,
    precision,
    inputs: lossInputs,
    unused: differentiated.unused,
    problem(source) {
      alive();
      const batches = typeof source === 'function';
      const observed = observer(statistics, [...running.values()], params, precision, batches);
      let fed = batches ? undefined : { ...checked(lossInputs, source), ...inputs };
      const draw = async () => {
        const feeds = batches ? await source() : {};
        return (fed = { ...checked(lossInputs, feeds), ...inputs });
      };
      const fg: AsyncProblem['fg'] = (x, gradient) =>
        alone(async () => {
          alive();
          checkLength('fg: x', x, params.length);
          const feeds = fed ?? (await draw());
          const session = gradient === null ? await lossOnly() : gradients;
          point.set(x);
          const results = await run(session, feeds, gradient === null ? [lossName] : weights.fetches);
          const f = Number(results[lossName].data[0]);
          if (gradient !== null) {
            weights.readGradient(results, gradient);
            observed.evaluated(x, f, results);
          }
          return f;
        });
      const valuesAt: AsyncProblem['valuesAt'] = (points, losses) =>
        alone(async () => {
          alive();
          checkLength('valuesAt: points', points, losses.length * params.length);
          const feeds: Record<string, OrtTensor> = { ...(fed ?? (await draw())), ...weights.many(points) };
          for (const name of Object.keys(inputs)) delete feeds[name];
          const results = await run(await lossOfMany(), feeds, [manyLosses]);
          losses.set(results[manyLosses].data as Reals);
        });
      const hessianVector: AsyncProblem['hessianVector'] = (x, v, product) =>
        alone(async () => {
          alive();
          checkLength('hessianVector: x', x, params.length);
          checkLength('hessianVector: v', v, params.length);
          const { session, direction, inputs: vectors } = await hessian();
          const feeds = { ...(fed ?? (await draw())), ...vectors };
          point.set(x);
          direction.set(v);
          gather(await run(session, feeds, products), params.layout, hessianVectorNameOf, product);
        });
      return {
        p0: params.copyInto(params.zeros()),
        fg,
        valuesAt,
        params: statistics.length === 0 ? params : settling(params, observed.settles),
        precision,
        ...(plan.hessianVector && { hessianVector }),
        ...(batches && {
          nextBatch: () =>
            alone(async () => {
              observed.batchEnds();
              await draw();
            }),
        }),
      };
    },
    predict: (feeds) =>
      alone(async () => {
        alive();
        const { session, inputs: specs, outputs } = await prediction();
        const all: Record<string, OrtTensor> = { ...checked(specs, feeds), ...inputs };
        // Copies: a solver may put the statistics in order while this runs.
        for (const [name, values] of running) {
          all[name] = tensorOver(ort, precision, values.slice(), [values.length]);
        }
        point.set(values);
        return run(session, all, outputs);
      }),
    toBytes(options) {
      const tensors = new Map<string, NewValues>();
      parameters.forEach(({ name, shape }, i) => {
        const { offset, size } = params.layout.tensors[i];
        tensors.set(name, { shape, values: values.subarray(offset, offset + size) });
      });
      for (const [name, values] of running) tensors.set(name, { shape: [values.length], values });
      return writeBack(bytes, tensors, options);
    },
    async dispose() {
      if (disposed) return;
      disposed = true;
      await alone(async () => {
        for (const session of await Promise.allSettled(sessions)) {
          if (session.status === 'fulfilled') await session.value.release();
        }
      });
    },
  };
}
