import type { TensorRole } from '../../core/layout.ts';
import { gradientNameOf } from './ir/convention.ts';
import { fault, foreign, OnnxError } from './ir/errors.ts';
import { DType, dtypeName, type TensorProto } from './ir/tensor.ts';
import type { DifferentiateOptions } from './options.ts';
import { candidatesOf, type Candidate } from './parameters.ts';
import type { Origin } from './passes/constants.ts';
import type { Copy } from './passes/ties.ts';
import type { Model } from './ir/model.ts';

/** A tensor of the model that became an input of the result. */
export interface Parameter {
  /** Name in the model. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly role: TensorRole;
  /** Value in the model, in the precision of the result. */
  readonly tensor: TensorProto;
  /** Location in the model's file. */
  readonly origin: Origin;
  /** Name of its input in the result: the same name, or another if an output of the result has that name. */
  readonly input: string;
  /** Name of the output that holds its gradient. */
  readonly gradient: string;
}

/** Tensors to differentiate with respect to. */
export interface Choice {
  readonly parameters: readonly Parameter[];
  readonly wrtInputs: readonly string[];
  /** Values between the inputs and the outputs. */
  readonly wrtInner: readonly string[];
  /** The names of the parameters, then of the inputs, then of inner values. */
  readonly names: readonly string[];
  readonly copies: readonly Copy[];
}

/**
 * Chooses the tensors to differentiate with respect to, among a model's constant tensors, inputs and inner
 * values.
 *
 * @throws OnnxError listing every unknown name, and every tensor that has no gradient or cannot be written
 */
export function choose(
  model: Model,
  origins: ReadonlyMap<string, Origin>,
  wrt: DifferentiateOptions['wrt'],
): Choice {
  // Constants of a loss given as a graph are not part of the model.
  const candidates = candidatesOf(model, origins).filter(({ name }) => origins.has(name));
  const chosen =
    wrt === undefined || typeof wrt === 'function'
      ? {
          candidates: foreign(() => candidates.filter(wrt ?? (({ byDefault }) => byDefault))),
          inputs: [],
          inner: [],
        }
      : named(candidates, model, wrt);
  const inFunctions = chosen.candidates.filter(({ origin }) => origin.kind === 'function');
  if (inFunctions.length > 0) {
    throw new OnnxError(
      inFunctions.map(({ name }) =>
        fault(
          `wrt: ${JSON.stringify(name)} is computed in a function of the model from the arguments of a call, and cannot be written back; inline the functions first (onnx.inliner does).`,
        ),
      ),
    );
  }
  const parameters = chosen.candidates.map(({ name, shape, tensor, origin, role }): Parameter => {
    const gradient = gradientNameOf(name);
    return { name, shape, dtype: tensor.dataType, role, tensor, origin, input: name, gradient };
  });
  const names = [...parameters.map(({ name }) => name), ...chosen.inputs, ...chosen.inner];
  if (names.length === 0) {
    const constants = candidates.map(({ name, why }) => `${JSON.stringify(name)} (${why})`);
    const none = wrt === undefined ? 'the model has no trainable parameter' : 'no parameter was chosen';
    throw new OnnxError([
      fault(
        `${none}${constants.length > 0 ? `; its constants are ${constants.join(', ')}. Name those to train, in the option trainable of trainable or wrt of differentiate` : ''}.`,
      ),
    ]);
  }
  return {
    parameters,
    wrtInputs: chosen.inputs,
    wrtInner: chosen.inner,
    names,
    copies: copiesOf(candidates, names, Array.isArray(wrt)),
  };
}

/**
 * Returns the copies among a model's constant tensors. A copy that is chosen itself follows no other tensor.
 *
 * @param listed - true if the choice is a list of names: copies of a tensor in it then follow it, whatever they hold
 */
export function copiesOf(
  candidates: readonly Candidate[],
  chosen: readonly string[],
  listed: boolean,
): readonly Copy[] {
  const trained = new Set(chosen);
  return candidates.flatMap(({ name, origin, follows, statistic }) => {
    if (origin.of === undefined) return [];
    const follower = follows !== undefined || (listed && !statistic);
    // A copy of a tensor that stays constant is constant too.
    const tied = follower && trained.has(origin.of) && !trained.has(name);
    if (tied) trained.add(name);
    return [{ name, of: origin.of, tied }];
  });
}

/** Lists the model's constants for a message, at most `most` of them. */
function listed(candidates: readonly Candidate[], most = 12): string {
  const some = candidates.slice(0, most).map(({ name }) => JSON.stringify(name));
  const more = candidates.length > most ? ` and ${candidates.length - most} more` : '';
  return some.length === 0 ? 'it has no constants either' : `its constants are ${some.join(', ')}${more}`;
}

function named(candidates: readonly Candidate[], { graph }: Model, names: readonly string[]) {
  const inputs = new Map(
    graph.input.map(({ name, type }) => [
      name,
      type?.value.case === 'tensorType' ? type.value.value.elemType : 0,
    ]),
  );
  const tensors = new Map(graph.initializer.map(({ name, dataType }) => [name, dataType]));
  const inner = new Set(graph.node.flatMap(({ output }) => output).filter((name) => name !== ''));
  const faults = names.flatMap((name) => {
    if (!inputs.has(name) && !tensors.has(name) && inner.has(name)) return [];
    const dtype = inputs.get(name) ?? tensors.get(name);
    if (dtype === undefined)
      return [
        fault(
          `the model has no initializer, input or inner value ${JSON.stringify(name)}; ${listed(candidates)}.`,
        ),
      ];
    if (dtype === DType.FLOAT || dtype === DType.DOUBLE) return [];
    return [
      fault(
        `wrt: ${JSON.stringify(name)} is ${dtypeName(dtype)}; only float32 and float64 tensors have gradients.`,
      ),
    ];
  });
  if (faults.length > 0) throw new OnnxError(faults);
  const wanted = new Set(names);
  return {
    candidates: candidates.filter(({ name }) => wanted.has(name)),
    inputs: [...wanted].filter((name) => inputs.has(name)),
    inner: [...wanted].filter((name) => !inputs.has(name) && !tensors.has(name)),
  };
}
