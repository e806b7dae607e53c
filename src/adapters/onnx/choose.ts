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
  /**
   * Name of the result's input for it: the same name, or another if an output of the result has that name.
   */
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
  // A loss given as a graph has brought its constants along; they are no part of the model.
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
          `wrt: ${JSON.stringify(name)} is made in a function of the model from what a call of it gives, and could not be written back; inline the functions first (onnx.inliner does).`,
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
        `${none}${constants.length > 0 ? `; its constants are ${constants.join(', ')}: name some (trainable's option trainable, differentiate's wrt)` : ''}.`,
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
 * The copies among a model's constant tensors: none that is chosen itself follows another.
 *
 * @param listed - true if the choice is a list of names: what copies a tensor in it follows that, whatever it holds
 */
export function copiesOf(
  candidates: readonly Candidate[],
  chosen: readonly string[],
  listed: boolean,
): readonly Copy[] {
  const led = new Set(chosen);
  return candidates.flatMap(({ name, origin, follows, statistic }) => {
    if (origin.of === undefined) return [];
    const follower = follows !== undefined || (listed && !statistic);
    // What copies a constant that stays one is a constant too.
    const tied = follower && led.has(origin.of) && !led.has(name);
    if (tied) led.add(name);
    return [{ name, of: origin.of, tied }];
  });
}

/** The constants there are, as far as a message may list them. */
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
          `the model has no initializer, no input and no value ${JSON.stringify(name)}, by which to differentiate; ${listed(candidates)}.`,
        ),
      ];
    if (dtype === DType.FLOAT || dtype === DType.DOUBLE) return [];
    return [
      fault(
        `wrt: ${JSON.stringify(name)} is ${dtypeName(dtype)}; gradients are taken by float32 and float64 tensors.`,
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
