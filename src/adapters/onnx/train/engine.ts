import { isLeft } from 'fp-ts/lib/Either.js';
import { checkLength } from '../../../core/paramSet.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { hessianVectorNameOf, lossName, manyLosses, vectorNameOf } from '../ir/convention.ts';
import { differentiateInference, type Differentiated } from '../differentiate.ts';
import { openPlanned } from './blocks.ts';
import { checkFeeds, type Feeds } from './feeds.ts';
import type { FrozenSplit } from './frozen.ts';
import { predictionGraph } from './graphs.ts';
import type { InputSpec } from './inputs.ts';
import type { NoiseKey } from './noise.ts';
import type { Plan } from './options.ts';
import { tensorOver, type Ort, type OrtSession, type OrtTensors } from './ort.ts';
import { inTurn, once, remembered, run } from './session.ts';
import { mayDrop } from '../passes/inference.ts';
import { differentiateSplit, variantOf, type Mode, type Variant } from './variants.ts';
import { checkFilled, checkProduct } from './vectors.ts';
import { gather, viewsOf, zeros, type Reals, type Weights } from './weights.ts';

/** A model that has been read and differentiated. */
export interface Loaded {
  readonly ort: Ort;
  /** Returns the model's file, with the current parameters or those that it had. */
  readonly file: () => Uint8Array;
  readonly weights: Weights;
  /** The running statistics by name, which problems update. */
  readonly running: ReadonlyMap<string, Reals>;
  readonly plan: Plan;
  readonly differentiated: Differentiated;
  /** The graph with the part that depends on no parameter split off; null if it is in one piece. */
  readonly split: FrozenSplit | null;
  /** Session of `differentiated`, or of the rest of the split graph. */
  readonly gradients: OrtSession;
}

/** The sessions of one model. They run one at a time, because all read the point from the same buffer. */
export interface Engine {
  readonly weights: Weights;
  /** Returns the feeds of a loss as tensors; throws an OnnxError naming every fault. */
  checked(specs: readonly InputSpec[], feeds: Feeds): OrtTensors;
  /** True if the loss depends on Dropout nodes in training mode. */
  drops(): boolean;
  /** Returns the inputs of the graphs of a mode. */
  fedIn(mode: Mode): Pick<Differentiated, 'inputs' | 'targets' | 'noise'>;
  /** Adds random numbers to feeds. */
  withNoise(data: OrtTensors, key: NoiseKey, mode: Mode): Promise<OrtTensors>;
  /** Returns the feeds of evaluations; values that are the same at every point are computed here. `data` have noise. */
  prepared(data: OrtTensors, mode: Mode): Promise<OrtTensors>;
  /** Waits for its turn, and throws if the model has been disposed of. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** Computes the loss, and the gradient and batch statistics unless `gradient` is null. `data` are prepared. */
  evaluate(data: OrtTensors, x: Float64Array, gradient: Float64Array | null, mode: Mode): Promise<OrtTensors>;
  /** Computes the loss and the values named in `keep`, without dropout. `data` are checked, without noise. */
  kept(data: OrtTensors, key: NoiseKey, x: Float64Array, mode: Mode): Promise<OrtTensors>;
  /** Computes the losses at k points, `[k, n]`. `data` are prepared. */
  losses(data: OrtTensors, points: Float64Array, losses: Float64Array, mode: Mode): Promise<void>;
  /** `product ← ∇²f(x)·v`. `data` have noise. */
  hessianVector(
    data: OrtTensors,
    x: Float64Array,
    v: Float64Array,
    product: Float64Array,
    mode: Mode,
  ): Promise<void>;
  /** Computes the model's outputs at its current parameters and running statistics. */
  predict(feeds: Feeds): Promise<OrtTensors>;
  dispose(): Promise<void>;
}

/** Runs a model. Graphs are built and sessions opened when they are first needed. */
export function engine(loaded: Loaded): Engine {
  const { ort, file: fileOf, weights, running, plan, differentiated, split, gradients } = loaded;
  const { parameters, precision, statistics, copies } = differentiated;
  const { params, values, fed } = weights;

  const sessions: Promise<OrtSession>[] = [Promise.resolve(gradients)];
  const another = (graph: Uint8Array) => {
    const session = openPlanned(ort, graph, plan, precision);
    sessions.push(session);
    return session;
  };
  const source = { ort, file: fileOf, plan, open: another };
  const names = statistics.map(({ name }) => name);
  const file = variantOf(source, differentiated, plan.differentiate, null, { split, opened: gradients });
  const modes: Record<Mode, () => Variant> = {
    file: () => file,
    dropout: remembered(() => {
      const options = Object.assign({}, plan.differentiate, { dropout: 'file' } as const);
      const { differentiated: dropping, split: parts } = differentiateSplit(fileOf(), options, plan);
      return variantOf(source, dropping, options, null, { split: parts });
    }),
    inference: remembered(() => {
      const options = plan.differentiate;
      return variantOf(source, differentiateInference(fileOf(), options, names), options, names, {
        split: null,
      });
    }),
  };
  const inMode = (mode: Mode) => (statistics.length === 0 && mode === 'inference' ? 'file' : mode);
  const variant = (mode: Mode) => modes[inMode(mode)]();
  const present = () => {
    // Copies: a solver may write the statistics during this run.
    const tensors = Array.from(running, ([name, values]) => {
      return [name, tensorOver(ort, precision, values.slice(), [values.length])] as const;
    });
    return Object.fromEntries(tensors);
  };
  /** Returns the running statistics, if they are fed. */
  const fixedIn = (mode: Mode) => (inMode(mode) === 'inference' ? present() : undefined);
  const fetches = {
    all: weights.fetcher([lossName, ...statistics.map(({ output }) => output)]),
    lossOnly: weights.fetcher([lossName]),
  };
  const joined = joiner();
  const direction = remembered(() => zeros(precision, params.length));
  const vectors = remembered(() =>
    viewsOf(ort, params.layout, direction(), ({ name }) => vectorNameOf(name)),
  );
  const products = parameters.map(({ name }) => hessianVectorNameOf(name));
  const prediction = once(async () => {
    const trained = [...parameters, ...statistics].map(({ name }) => name);
    const built = predictionGraph(fileOf(), trained, copies, plan.differentiate);
    return { ...built, session: await another(built.bytes) };
  });

  const mayBeDropping = remembered(() => mayDrop(fileOf()));
  const alone = inTurn();
  let disposed = false;
  const fit = (specs: readonly InputSpec[], feeds: Feeds): OrtTensors => {
    const result = checkFeeds(ort, specs, feeds);
    if (isLeft(result)) throw result.left;
    return result.right;
  };
  const checked: Engine['checked'] = (specs, feeds) => {
    const tensors = fit(specs, feeds);
    const empty = Object.keys(tensors).filter((name) => tensors[name].dims[0] === 0);
    // ONNX Runtime never returns from the gradient of some of their convolutions.
    if (empty.length > 0)
      throw new OnnxError(
        empty.map((name) =>
          fault(`feed ${JSON.stringify(name)}: it holds no samples; the loss of none is not defined.`),
        ),
      );
    return tensors;
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
    drops: () => mayBeDropping() && modes.dropout().differentiated.noise.length > differentiated.noise.length,
    fedIn: (mode) => variant(mode).differentiated,
    async withNoise(data, key, mode) {
      const { noise, differentiated: graph } = variant(mode);
      if (graph.noise.length === 0) return data;
      const { inputs } = fed();
      // A computed shape does not depend on the values of parameters, so any values will do.
      return Object.assign({}, data, await noise(data, key, { ...inputs, ...fixedIn(mode) }));
    },
    async prepared(data, mode) {
      const { split: parts, frozen } = variant(mode);
      if (parts === null) return data;
      const some = (chosen: readonly string[]) =>
        Object.fromEntries(chosen.map((name) => [name, data[name]]));
      const features = await run(await frozen(), some(parts.inputs.frozen), parts.features);
      return Object.assign(some(parts.inputs.rest), features);
    },
    async kept(data, key, x, asked) {
      checkLength('evaluate: x', x, params.length);
      const mode = asked === 'dropout' ? 'file' : asked;
      const graph = await variant(mode).kept();
      const fixed = fixedIn(mode);
      const { inputs, setPoint } = fed();
      const random = await graph.noise(data, key, { ...inputs, ...fixed });
      setPoint(x);
      return run(graph.session, { ...data, ...random, ...inputs, ...fixed }, [lossName, ...plan.keep]);
    },
    async evaluate(data, x, gradient, mode) {
      checkLength('fg: x', x, params.length);
      if (gradient !== null) checkFilled('fg: gradient', gradient, params.length);
      const { lossOnly, gradients } = variant(mode);
      const session = await (gradient === null ? lossOnly() : gradients());
      const { inputs, setPoint } =
        gradient === null || overlap(x, gradient) ? fed() : weights.fedBeside(gradient);
      setPoint(x);
      const fixed = fixedIn(mode);
      const withGradient = fixed ? fetches.lossOnly : fetches.all;
      const outputs = gradient === null ? [lossName] : withGradient(gradient);
      const feeds = fixed ? { ...data, ...inputs, ...fixed } : joined(data, inputs);
      const results = await run(session, feeds, outputs);
      if (gradient !== null) weights.readGradient(results, gradient);
      return results;
    },
    async losses(data, points, losses, mode) {
      checkFilled('valuesAt: losses', losses, losses?.length);
      checkLength('valuesAt: points', points, losses.length * params.length);
      const session = await variant(mode).lossOfMany();
      const feeds = { ...data, ...weights.many(points), ...fixedIn(mode) };
      const results = await run(session, feeds, [manyLosses]);
      losses.set(results[manyLosses].data as Reals);
    },
    async hessianVector(data, x, v, product, mode) {
      const n = params.length;
      checkProduct('hessianVector', { x, n, vector: ['v', v, n], product, m: n });
      const session = await variant(mode).hessian();
      const { inputs, setPoint } = fed();
      setPoint(x);
      direction().set(v);
      const results = await run(session, { ...data, ...inputs, ...vectors() }, products);
      gather(results, params.layout, products, product);
    },
    async predict(feeds) {
      const { session, inputs: specs, outputs } = await prediction();
      const fixed = present();
      const { point, named } = fed();
      point.set(values);
      return run(session, { ...fit(specs, feeds), ...named, ...fixed }, outputs);
    },
    dispose() {
      disposed = true;
      return release();
    },
  };
}

/** True if two vectors share memory: the point is read while it is written beside the gradient. */
const overlap = (a: Float64Array, b: Float64Array): boolean =>
  a.buffer === b.buffer &&
  a.byteOffset < b.byteOffset + b.byteLength &&
  b.byteOffset < a.byteOffset + a.byteLength;

/** Returns a function that joins the feeds of data and of a point; for the same two it returns the same object, while both live. */
function joiner(): (data: OrtTensors, point: OrtTensors) => OrtTensors {
  const known = new WeakMap<OrtTensors, WeakMap<OrtTensors, OrtTensors>>();
  return (data, point) => {
    const ofPoint = known.get(point) ?? new WeakMap<OrtTensors, OrtTensors>();
    const feeds = ofPoint.get(data) ?? { ...data, ...point };
    known.set(point, ofPoint.set(data, feeds));
    return feeds;
  };
}
