import type { GraphProto, ValueInfoProto } from 'onnx-buf';
import type { Parameter } from './choose.ts';
import type { Builder } from './ir/builder.ts';
import { valueInfo, type Value } from './ir/graph.ts';
import type { Fault } from './ir/errors.ts';
import { freeNames } from './passes/freeNames.ts';
import { drawingInside, withoutDropout } from './passes/inference.ts';
import type { DifferentiateOptions } from './options.ts';
import { lower } from './passes/lower.ts';
import type { ModelRead } from './passes/read.ts';
import { tie, type Copy } from './passes/ties.ts';

/** A constant tensor that becomes an input. */
type Lifted = Pick<Parameter, 'name' | 'dtype' | 'shape'>;

/** Values to differentiate a model with respect to. */
export interface Chosen<P extends Lifted = Parameter> {
  readonly parameters: readonly P[];
  /** The names of the parameters, then of inputs. */
  readonly names: readonly string[];
  readonly copies: readonly Copy[];
}

/** A model that is ready for a loss: its parameters are inputs, and its other nodes simple ops. */
export interface Prepared<P extends Lifted = Parameter> {
  readonly g: Builder;
  /** The parameters, with the names of their inputs. */
  readonly parameters: readonly (P & { readonly input: string })[];
  /** Values to differentiate with respect to, in the order of their names. */
  readonly wrt: readonly Value[];
  readonly dataInputs: readonly ValueInfoProto[];
  readonly outputs: readonly Value[];
  /** Returns the current name of a value, by its name in the file. */
  readonly current: (name: string) => Value;
  /** Number of nodes of each op that simpler ones replaced. */
  readonly replaced: ReadonlyMap<string, number>;
  /** Faults found so far; later passes add theirs. */
  readonly faults: Fault[];
}

/** Turns the tensors to differentiate with respect to into inputs, and lowers the model, in place. */
export function prepare<P extends Lifted>(
  { model: { graph } }: ModelRead,
  { parameters: chosen, names, copies }: Chosen<P>,
  {
    dropout = 'file',
    noise = 'file',
    target,
  }: Pick<DifferentiateOptions, 'dropout' | 'noise' | 'target'> = {},
): Prepared<P> {
  tie(graph, copies);
  const current = freeNames(graph, names);
  const parameters = chosen.map((parameter) =>
    Object.assign({}, parameter, { input: current(parameter.name) }),
  );
  const dataInputs = [...graph.input];
  const outputs = graph.output.map(({ name }) => name);
  makeInputs(graph, parameters);
  if (dropout === 'off') withoutDropout(graph);
  const feedsNoise = noise === 'fed';
  const lowered = lower(graph, 'lower', { feedsNoise, platform: target });
  if (feedsNoise) lowered.faults.push(...drawingInside(lowered.g));
  return { ...lowered, parameters, wrt: names.map(current), dataInputs, outputs, current };
}

/** Turns parameters from constants of the graph into inputs. */
function makeInputs(graph: GraphProto, parameters: readonly (Lifted & { readonly input: string })[]): void {
  const lifted = new Set(parameters.map(({ input }) => input));
  graph.initializer = graph.initializer.filter(({ name }) => !lifted.has(name));
  graph.input.push(...parameters.map(inputOf));
}

/** Describes the input of a parameter. */
export const inputOf = ({ input, dtype, shape }: Lifted & { readonly input: string }): ValueInfoProto =>
  valueInfo(input, dtype, shape);
