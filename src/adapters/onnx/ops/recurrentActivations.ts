import { decimalOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import { elu, hardSigmoid, leakyRelu, softplus, softsign, thresholdedRelu } from './activations.ts';

/** An activation of a recurrent cell. */
export type Activation = (s: Builder, x: Value) => Value;

/**
 * An activation, written in ops that have float64 kernels, and the defaults of alpha and beta if it has these. Some have
 * no default that all runtimes share.
 */
interface Family {
  readonly alpha?: number | 'must be given';
  readonly beta?: number | 'must be given';
  readonly f: (s: Builder, x: Value, alpha: number, beta: number) => Value;
}

const families: Readonly<Record<string, Family>> = {
  sigmoid: { f: (s, x) => s.sigmoid(x) },
  tanh: { f: (s, x) => s.tanh(x) },
  relu: { f: (s, x) => s.relu(x) },
  softsign: { f: softsign },
  softplus: { f: softplus },
  affine: { alpha: 'must be given', beta: 'must be given', f: (s, x, a, b) => s.add(s.mul(a, x), b) },
  scaledtanh: {
    alpha: 'must be given',
    beta: 'must be given',
    f: (s, x, a, b) => s.mul(a, s.tanh(s.mul(b, x))),
  },
  hardsigmoid: { alpha: 0.2, beta: 0.5, f: hardSigmoid },
  leakyrelu: { alpha: 0.01, f: leakyRelu },
  thresholdedrelu: { alpha: 'must be given', f: thresholdedRelu },
  elu: { alpha: 1, f: elu },
};

/**
 * Returns the activations of a cell, for each direction. The parameters of those that have some are listed in order.
 *
 * @param byDefault - the names for one direction
 */
export function activationsOf(
  attributes: Attributes,
  byDefault: readonly string[],
  directions: number,
): Activation[][] {
  const count = byDefault.length;
  const names = attributes.strings('activations') ?? range(directions).flatMap(() => byDefault);
  if (names.length !== count * directions) {
    refuse(`it needs ${count * directions} activations, but lists ${names.length}.`);
  }
  const alphas = (attributes.floats('activation_alpha') ?? []).map(decimalOf);
  const betas = (attributes.floats('activation_beta') ?? []).map(decimalOf);
  const all = names.map((name): Activation => {
    const known = Object.hasOwn(families, name.toLowerCase());
    const family = known ? families[name.toLowerCase()] : refuse(`the activation ${name} is not known.`);
    const next = (given: number[], byDefault: Family['alpha']) => {
      const value = byDefault === undefined ? 0 : (given.shift() ?? byDefault);
      return value === 'must be given' ? refuse(`the activation ${name} needs its alpha and beta.`) : value;
    };
    const [alpha, beta] = [next(alphas, family.alpha), next(betas, family.beta)];
    return (s, x) => family.f(s, x, alpha, beta);
  });
  return range(directions).map((d) => all.slice(d * count, (d + 1) * count));
}
