import { isLeft } from 'fp-ts/lib/Either.js';
import { checkLength } from '../../../core/paramSet.ts';
import { hessianVectorNameOf, lossName, manyLosses, vectorNameOf } from '../ir/convention.ts';
import { differentiateInference, type Differentiated } from '../differentiate.ts';
import { checkFeeds, type Feeds } from './feeds.ts';
import type { FrozenSplit } from './frozen.ts';
import { hessianGraph, keptGraph, lossGraph, manyLossesGraph, predictionGraph } from './graphs.ts';
import type { InputSpec } from './inputs.ts';
import { narrow } from './narrow.ts';
import type { Plan } from './options.ts';
import { tensorOver, type Ort, type OrtSession, type OrtTensors } from './ort.ts';
import { inTurn, once, open, remembered, run } from './session.ts';
import { gather, viewsOf, weightsOf, zeros, type Reals, type Weights } from './weights.ts';

/** The parts of a model. */
export interface Loaded {
  readonly ort: Ort;
  /** The model's file. */
  readonly bytes: Uint8Array;
  readonly plan: Plan;
  readonly differentiated: Differentiated;
  /** Its part that no parameter comes into, apart; null where it is not. */
  readonly split: FrozenSplit | null;
  /** A session of `differentiated`, or of what is left of it. */
  readonly gradients: OrtSession;
}

/** The mode of the nodes: as the file has them, or all in inference mode. */
export type Mode = 'file' | 'inference';

/** The sessions of one model. Runs come one after the other, for all read the point from one buffer. */
export interface Engine {
  readonly weights: Weights;
  /** Feeds as tensors; throws an OnnxError naming every fault. */
  checked(specs: readonly InputSpec[], feeds: Feeds): OrtTensors;
  /** Feeds of evaluations on some data; values that are the same at every point are computed here. */
  prepared(data: OrtTensors): Promise<OrtTensors>;
  /** Waits for its turn, and throws if the model has been disposed of. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** The loss and whatever comes with the gradient, which is written unless it is null; `data` are prepared. */
  evaluate(
    data: OrtTensors,
    x: Float64Array,
    gradient: Float64Array | null,
    mode?: Mode,
  ): Promise<OrtTensors>;
  /** The loss and the values that the options keep; `data` are as they were checked. */
  kept(data: OrtTensors, x: Float64Array, mode: Mode): Promise<OrtTensors>;
  /** The losses at k points, `[k, n]`; `data` are prepared. */
  losses(data: OrtTensors, points: Float64Array, losses: Float64Array, mode?: Mode): Promise<void>;
  /** `product ← ∇²f(x)·v`. */
  hessianVector(data: OrtTensors, x: Float64Array, v: Float64Array, product: Float64Array): Promise<void>;
  /** The model's outputs at its own parameters and running statistics. */
  predict(feeds: Feeds): Promise<OrtTensors>;
  dispose(): Promise<void>;
}

/**
 * Opens what a model needs when it is first needed, and runs it.
 *
 * @param running - the model's running statistics, kept up to date elsewhere
 */
export function engine(
  { ort, bytes, plan, differentiated, split, gradients }: Loaded,
  running: ReadonlyMap<string, Reals>,
): Engine {
  const { parameters, precision, statistics, copies } = differentiated;
  const others = [lossName, ...statistics.map(({ output }) => output)];
  const weights = weightsOf(ort, parameters, precision, others);
  const { params, values, point, inputs, named } = weights;
  const setPoint = (x: Float64Array) => (point instanceof Float32Array ? narrow(x, point) : point.set(x));

  const sessions: Promise<OrtSession>[] = [Promise.resolve(gradients)];
  const another = (graph: Uint8Array) => {
    const session = open(ort, graph, plan.session);
    sessions.push(session);
    return session;
  };
  /** The graphs of a mode, each opened when it is first needed. */
  const sessionsOf = (graph: () => Pick<Differentiated, 'bytes'>, mode: Mode, session?: OrtSession) => ({
    gradients: once(async () => session ?? (await another(graph().bytes))),
    lossOnly: once(() => another(lossGraph(graph().bytes))),
    lossOfMany: once(() => another(manyLossesGraph(lossGraph(graph().bytes), differentiated))),
    kept: once(() =>
      another(keptGraph(bytes, plan.differentiate, plan.keep, mode === 'file' ? null : names)),
    ),
  });
  const names = statistics.map(({ name }) => name);
  const modes = {
    file: sessionsOf(() => ({ bytes: split?.rest ?? differentiated.bytes }), 'file', gradients),
    inference: sessionsOf(
      remembered(() => differentiateInference(bytes, plan.differentiate, names)),
      'inference',
    ),
  };
  const frozen = once(() => another(split?.frozen ?? new Uint8Array()));
  const present = () => {
    // Copies: a solver may put the statistics in order while this runs.
    const tensors = Array.from(running, ([name, values]) => {
      return [name, tensorOver(ort, precision, values.slice(), [values.length])] as const;
    });
    return Object.fromEntries(tensors);
  };
  const inMode = (mode: Mode) => (statistics.length === 0 || mode === 'file' ? 'file' : 'inference');
  const hessian = once(async () => {
    const direction = zeros(precision, params.length);
    const session = await another(hessianGraph(bytes, plan.differentiate));
    return {
      session,
      direction,
      vectors: viewsOf(ort, params.layout, direction, ({ name }) => vectorNameOf(name)),
    };
  });
  const products = parameters.map(({ name }) => hessianVectorNameOf(name));
  const prediction = once(async () => {
    const trained = [...parameters, ...statistics].map(({ name }) => name);
    const built = predictionGraph(bytes, trained, copies, plan.differentiate);
    return { ...built, session: await another(built.bytes) };
  });

  const alone = inTurn();
  let disposed = false;
  const checked: Engine['checked'] = (specs, feeds) => {
    const result = checkFeeds(ort, specs, feeds);
    if (isLeft(result)) throw result.left;
    return result.right;
  };
  const release = once(() =>
    alone(async () => {
      for (const session of await Promise.allSettled(sessions)) {
        if (session.status === 'fulfilled') await session.value.release();
      }
    }),
  );
  return {
    weights,
    checked,
    inTurn: (task) =>
      alone(async () => {
        if (disposed) throw new Error('This model has been disposed of; load it again.');
        return task();
      }),
    async prepared(data) {
      if (split === null) return data;
      const some = (chosen: readonly string[]) =>
        Object.fromEntries(chosen.map((name) => [name, data[name]]));
      const features = await run(await frozen(), some(split.inputs.frozen), split.features);
      return Object.assign(some(split.inputs.rest), features);
    },
    async kept(data, x, asked) {
      checkLength('evaluate: x', x, params.length);
      const mode = inMode(asked);
      const session = await modes[mode].kept();
      setPoint(x);
      return run(session, { ...data, ...inputs, ...(mode === 'file' ? undefined : present()) }, [
        lossName,
        ...plan.keep,
      ]);
    },
    async evaluate(data, x, gradient, asked = 'file') {
      checkLength('fg: x', x, params.length);
      const mode = inMode(asked);
      const session = await (gradient === null ? modes[mode].lossOnly() : modes[mode].gradients());
      setPoint(x);
      const withGradient = mode === 'file' ? weights.fetches : weights.gradientsAnd([lossName]);
      const fetches = gradient === null ? [lossName] : withGradient;
      const fixed = mode === 'file' ? undefined : present();
      const results = await run(session, { ...data, ...inputs, ...fixed }, fetches);
      if (gradient !== null) weights.readGradient(results, gradient);
      return results;
    },
    async losses(data, points, losses, asked = 'file') {
      checkLength('valuesAt: points', points, losses.length * params.length);
      const mode = inMode(asked);
      const fixed = mode === 'file' ? undefined : present();
      const session = await modes[mode].lossOfMany();
      const results = await run(session, { ...data, ...weights.many(points), ...fixed }, [manyLosses]);
      losses.set(results[manyLosses].data as Reals);
    },
    async hessianVector(data, x, v, product) {
      checkLength('hessianVector: x', x, params.length);
      checkLength('hessianVector: v', v, params.length);
      const { session, direction, vectors } = await hessian();
      setPoint(x);
      direction.set(v);
      const results = await run(session, { ...data, ...inputs, ...vectors }, products);
      gather(results, params.layout, hessianVectorNameOf, product);
    },
    async predict(feeds) {
      const { session, inputs: specs, outputs } = await prediction();
      const fixed = present();
      point.set(values);
      return run(session, { ...checked(specs, feeds), ...named, ...fixed }, outputs);
    },
    dispose() {
      disposed = true;
      return release();
    },
  };
}
