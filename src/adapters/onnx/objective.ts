import { show } from '../../core/options.ts';
import { sampleWeightName, sampleWeightNameOf, targetName, targetNameOf } from './ir/convention.ts';
import type { Parameter } from './choose.ts';
import { fault, foreign, OnnxError, Refusal, refuse, type Fault } from './ir/errors.ts';
import type { Builder } from './ir/builder.ts';
import type { Value } from './ir/graph.ts';
import type { Shape } from './ir/shape.ts';
import type { DType } from './ir/tensor.ts';
import { dtypes, isSize, type TargetSpec } from './inputTypes.ts';
import { appendTerm, type LossTerm, type Target } from './losses.ts';
import { termsOf, type DifferentiateOptions, type LossContext } from './options.ts';
import { sweep } from './passes/sweep.ts';

/** The graph that a loss is appended to, and the targets found so far. */
interface Objective {
  readonly g: Builder;
  readonly options: DifferentiateOptions;
  /** The model's outputs. */
  readonly outputs: readonly Value[];
  /** Returns the current name of a value, by its name in the file. */
  readonly current: (name: string) => Value;
  /** Loss of a loss graph that has already been merged. */
  readonly ownLoss: Value | undefined;
  readonly parameters: readonly Parameter[];
  /** Filled with the targets to feed. */
  readonly targets: Target[];
  /** Filled with the faults found. */
  readonly faults: Fault[];
}

/** Appends the loss that the options ask for. Returns a scalar, or undefined if the faults prevent it. */
export function appendLoss(objective: Objective): Value | undefined {
  const { g, options, faults, parameters } = objective;
  const loss = attempt(faults, () => {
    const value = lossOf(objective);
    return value === undefined ? undefined : scalar(g, value);
  });
  if (loss === undefined || !options.l2) return loss;
  const squares = parameters
    .filter(({ role }) => role.kind === 'weight')
    .map(({ input }) => g.sumOfSquares(input));
  if (squares.length === 0) {
    faults.push(fault('l2: none of the parameters is a weight, so there is nothing to penalize; omit l2.'));
    return loss;
  }
  const [first, ...others] = squares;
  return g.add(loss, g.mul(options.l2 / 2, g.add(first, ...others)));
}

/** Appends the loss; returns undefined if every term has a fault. */
function lossOf(objective: Objective): Value | undefined {
  const { g, options, current, outputs, ownLoss, faults } = objective;
  const { loss } = options;
  if (ownLoss !== undefined) return ownLoss;
  if (typeof loss === 'function') {
    const before = g.proto.node.length;
    const value = foreign(() => loss(g, contextOf(objective)));
    refuseStrangers(g, before);
    // An undefined result would count as that of terms that are faulty.
    return (
      value ?? refuse(`loss: the function must return a value of the graph, a scalar; got ${show(value)}.`)
    );
  }
  const terms = termsOf(loss);
  if (terms.length > 0) {
    const values = terms.map((term) => attempt(faults, () => termOf(objective, term, terms.length)));
    const [first, ...others] = values.filter((value) => value !== undefined);
    return first === undefined ? undefined : g.add(first, ...others);
  }
  const name = typeof loss === 'object' && 'output' in loss ? (loss.output ?? '') : '';
  const value = current(name);
  if (g.types.has(value) && !g.constants.has(value)) return value;
  return refuse(`loss: the model computes no value ${show(name)}; its outputs are ${outputs.join(', ')}.`);
}

const listed = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');

/** Returns the reason why an output that the options name is refused. */
export const noOutput = (asked: string, outputs: readonly string[]): string =>
  `output: the model has no output ${JSON.stringify(asked)}; it has ${listed(outputs)}.`;

function termOf({ g, options, outputs, current, targets }: Objective, term: LossTerm, count: number): Value {
  const asked = term.output ?? options.output;
  if (asked === undefined && outputs.length !== 1)
    refuse(
      `the model has ${outputs.length} outputs, ${listed(outputs)}; name the one for the loss in the option output.`,
    );
  const y = asked === undefined ? outputs[0] : current(asked);
  if (!g.types.has(y)) refuse(noOutput(asked ?? y, outputs));
  const named = (name: string, advice: string) => (target: Omit<Target, 'name'>) => {
    const same = targets.find((other) => other.name === name);
    if (same !== undefined) return same.name;
    if (g.types.has(name))
      refuse(
        `an input would be named ${JSON.stringify(name)}, but the model already has a value of that name; ${advice}.`,
      );
    targets.push({ name, ...target });
    return g.addInput(name, target.dtype, target.shape);
  };
  const [single, of] = [count === 1, asked ?? y];
  return appendTerm(
    g,
    y,
    term,
    named(term.target ?? (single ? targetName : targetNameOf(of)), 'choose another name as target'),
    named(single ? sampleWeightName : sampleWeightNameOf(of), 'rename that value'),
  );
}

/** Returns the context of a loss that is a function. */
function contextOf({ g, options, outputs, current, targets }: Objective): LossContext {
  return {
    outputs,
    value(name) {
      const value = current(name);
      return g.types.has(value) ? value : refuse(`loss: the model has no value ${show(name)}.`);
    },
    target(name, like) {
      if (typeof name !== 'string' || name === '')
        refuse(`target: its name must be a string, got ${show(name)}.`);
      const { dtype, shape } =
        typeof like === 'string' && g.types.has(like)
          ? { dtype: g.floatTypeOf(like), shape: g.shapeOf(like) }
          : described(name, like as TargetSpec);
      if (g.types.has(name))
        refuse(`target: the graph already has a value ${JSON.stringify(name)}; choose another name.`);
      targets.push({ name, dtype, shape });
      return g.addInput(name, dtype, shape);
    },
    gradient(of, wrt) {
      if (!g.types.has(of)) refuse(`gradient: the graph has no value ${show(of)}.`);
      const strangers = Array.isArray(wrt) ? wrt.filter((name) => !g.types.has(name)) : undefined;
      if (strangers === undefined)
        refuse(`gradient: wrt must be a list of values of the graph, got ${show(wrt)}.`);
      if (strangers.length > 0) refuse(`gradient: the graph has no value ${strangers.map(show).join(', ')}.`);
      const { gradients, faults } = sweep(g, g.sumOfAll(of), wrt, options.target);
      if (faults.length > 0) throw new OnnxError(faults);
      return wrt.map((name) => gradients.get(name) ?? g.zerosLike(name));
    },
  };
}

/** Refuses a loss whose nodes read what the graph does not have. */
function refuseStrangers(g: Builder, from: number): void {
  for (const { opType, input } of g.proto.node.slice(from)) {
    const stranger = input.find((name) => name !== '' && !g.types.has(name));
    if (stranger !== undefined)
      refuse(`loss: ${opType} reads ${show(stranger)}, which is not a value of the graph.`);
  }
}

/** Returns the type and shape of a target that a loss function describes. */
function described(name: string, spec: TargetSpec): { dtype: DType; shape: Shape } {
  const dtype = Object.hasOwn(dtypes, spec?.dtype) ? dtypes[spec.dtype] : undefined;
  if (dtype === undefined || !Array.isArray(spec.shape) || !spec.shape.every(isSize)) {
    refuse(
      `target ${JSON.stringify(name)}: must be like a value of the graph, or { dtype, shape } with a dtype of ${Object.keys(dtypes).join(', ')} and a list of sizes and names of sizes; got ${show(spec)}.`,
    );
  }
  return { dtype, shape: spec.shape };
}

/** Returns a value of one element as a scalar; refuses one that has, or may have, more elements. */
function scalar(g: Builder, loss: Value): Value {
  if (!g.types.has(loss))
    refuse(`loss: the function must return a value of the graph, a scalar; got ${show(loss)}.`);
  const shape = g.shapeOf(loss);
  g.floatTypeOf(loss);
  if (shape !== undefined && shape.length === 0) return loss;
  if (shape !== undefined && shape.every((size) => size === 1)) return g.reshape(loss, []);
  return refuse(
    `the loss ${JSON.stringify(loss)} must be a scalar; its shape is ${shape ? `[${shape.join(', ')}]` : 'not known before it runs'}. Use its mean or sum.`,
  );
}

/** Returns the result of `make`; if it refuses, adds its faults and returns undefined. */
function attempt<T>(faults: Fault[], make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof OnnxError) faults.push(...error.faults);
    else if (error instanceof Refusal) faults.push(fault(error.message));
    else throw error;
    return undefined;
  }
}
