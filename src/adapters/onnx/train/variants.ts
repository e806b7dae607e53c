import type { NodeProto } from 'onnx-buf';
import { differentiateGraph, type Differentiated } from '../differentiate.ts';
import type { DifferentiateOptions } from '../options.ts';
import { hasFrozenPart, splitFrozen, type FrozenSplit } from './frozen.ts';
import { hessianGraph, keptGraph, lossGraph, manyLossesGraph, shapesGraph, type FedGraph } from './graphs.ts';
import { dataInputs, targetInputs } from './inputs.ts';
import { drawNoise, sizesFrom, sizesOf, type NoiseKey } from './noise.ts';
import type { Plan } from './options.ts';
import type { Ort, OrtSession, OrtTensors } from './ort.ts';
import { once, run } from './session.ts';

/**
 * Mode of the nodes: `'file'`, as in the file but without dropout; `'dropout'`, as in the file; `'inference'`, all in
 * inference mode.
 */
export type Mode = 'file' | 'dropout' | 'inference';

/** The graphs of a model in one mode, each opened when it is first needed. */
export interface Variant {
  readonly differentiated: Differentiated;
  /** Null if no part is computed only once. */
  readonly split: FrozenSplit | null;
  readonly gradients: () => Promise<OrtSession>;
  readonly lossOnly: () => Promise<OrtSession>;
  readonly lossOfMany: () => Promise<OrtSession>;
  readonly hessian: () => Promise<OrtSession>;
  readonly frozen: () => Promise<OrtSession>;
  /** The loss and the values named in `keep`. */
  readonly kept: () => Promise<{ readonly session: OrtSession; readonly noise: NoiseFeeder }>;
  readonly noise: NoiseFeeder;
}

/**
 * Draws the random numbers that a graph is fed with.
 *
 * @param data - feeds, which give the sizes of symbols
 * @param parameters - feeds of parameters, for shapes that must be computed
 */
export type NoiseFeeder = (data: OrtTensors, key: NoiseKey, parameters: OrtTensors) => Promise<OrtTensors>;

/** The model behind the variants. */
export interface VariantSource {
  readonly ort: Ort;
  /** Returns the model's file. */
  readonly file: () => Uint8Array;
  readonly plan: Plan;
  /** Opens a session. */
  readonly open: (graph: Uint8Array) => Promise<OrtSession>;
}

/** A differentiated model, and the part of its graph that depends on no parameter, if the plan asks for it. */
export interface Split {
  readonly differentiated: Differentiated;
  /** Nodes of the whole graph. */
  readonly nodes: readonly NodeProto[];
  readonly split: FrozenSplit | null;
}

/** Differentiates a model, and splits off the part that depends on no parameter, if the plan asks for it. */
export function differentiateSplit(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  { frozenOnce, keepsWeights }: Plan,
): Split {
  const { differentiated, graph } = differentiateGraph(bytes, options, keepsWeights);
  const inputs = differentiated.parameters.map(({ input }) => input);
  // Not with batch statistics: these are outputs of each evaluation.
  const isSplit = frozenOnce && differentiated.statistics.length === 0 && hasFrozenPart(graph, inputs);
  return {
    differentiated,
    nodes: graph.node,
    split: isSplit ? splitFrozen(differentiated.bytes, inputs) : null,
  };
}

/**
 * Returns the graphs of one mode.
 *
 * @param options - options that `differentiated` was made with
 * @param statistics - names of the running statistics to feed; null if the nodes are as in the file
 * @param opened - session of its gradients, if already open
 */
export function variantOf(
  { ort, file, plan, open }: VariantSource,
  differentiated: Differentiated,
  options: DifferentiateOptions,
  statistics: readonly string[] | null,
  { split, opened }: { readonly split: FrozenSplit | null; readonly opened?: OrtSession },
): Variant {
  const graph = split?.rest ?? differentiated.bytes;
  const loss = () => lossGraph(graph);
  return {
    differentiated,
    split,
    gradients: once(async () => opened ?? (await open(graph))),
    lossOnly: once(() => open(loss())),
    lossOfMany: once(() => open(manyLossesGraph(loss(), differentiated))),
    hessian: once(() => open(hessianGraph(file(), options))),
    frozen: once(() => open(split?.frozen ?? new Uint8Array())),
    kept: once(async () => {
      const graph = keptGraph(file(), options, plan.keep, statistics);
      return { session: await open(graph.bytes), noise: noiseFeeder(ort, open, graph) };
    }),
    noise: noiseFeeder(ort, open, differentiated),
  };
}

function noiseFeeder(ort: Ort, open: VariantSource['open'], graph: FedGraph): NoiseFeeder {
  const { noise } = graph;
  const specs = [...dataInputs(graph), ...targetInputs(graph)];
  const shapes = once(async () => {
    const built = shapesGraph(
      graph.bytes,
      noise.filter(({ like }) => like !== undefined),
    );
    return Object.assign(built, { session: await open(built.bytes) });
  });
  /** Computes the shapes that are known only at run time. */
  const computed = async (feeds: OrtTensors): Promise<ReadonlyMap<string, readonly number[]>> => {
    const { session, inputs, outputs } = await shapes();
    const found = await run(session, Object.fromEntries(inputs.map((name) => [name, feeds[name]])), [
      ...outputs.values(),
    ]);
    return new Map(
      Array.from(outputs, ([name, output]) => [name, Array.from(found[output].data, Number)] as const),
    );
  };
  return async (data, key, parameters) => {
    const symbols = sizesFrom(specs, data);
    const known = noise.map(({ shape }) => sizesOf(shape, symbols));
    const others = known.includes(undefined) ? await computed({ ...data, ...parameters }) : undefined;
    return Object.fromEntries(
      noise.map((input, k) => [
        input.name,
        drawNoise(ort, input, known[k] ?? others?.get(input.name) ?? [], key),
      ]),
    );
  };
}
