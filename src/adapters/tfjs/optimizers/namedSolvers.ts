import { show } from '../../../core/options.ts';
import type { Solver } from '../../../core/solver.ts';

/** Solver factories by the names used in saved models. */
const makers = new Map<string, () => Solver>();

/** Returns true for a value that has the methods of a solver. */
const isSolver = (value: unknown): value is Solver => {
  const { step, init } = (value ?? {}) as Partial<Solver>;
  return typeof step === 'function' && typeof init === 'function';
};

/**
 * Registers solvers under names, with which optimizers are saved and loaded.
 *
 * @throws RangeError if a name contains anything but letters and digits, which TensorFlow.js would change
 * @throws TypeError if a factory does not return a solver
 */
export function nameSolvers(where: string, solvers: Readonly<Record<string, () => Solver>>): void {
  for (const [name, make] of Object.entries(solvers)) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) {
      throw new RangeError(
        `${where}: the name of a solver must be of letters and digits and begin with a small letter, such as 'adamThenLbfgs'; got ${show(name)}.`,
      );
    }
    const made: unknown = typeof make === 'function' ? make() : undefined;
    if (!isSolver(made)) {
      throw new TypeError(`${where}: solvers.${name} must be a function that returns a solver, such as () => lbfgs(); got ${show(make)}.`); // prettier-ignore
    }
    makers.set(name, make);
  }
}

/**
 * Returns the given solver, or the one registered under the given name.
 *
 * @throws TypeError if it is neither
 * @throws RangeError if no solver has the name
 */
export function solverOf(where: string, given: Solver | string): Solver {
  if (typeof given === 'string') {
    const make = makers.get(given);
    if (make) return make();
    const names = [...makers.keys()].map((name) => `'${name}'`).join(', ') || 'none';
    throw new RangeError(
      `${where}: no solver is named ${show(given)}; there are ${names}. Register it: register(tf, { solvers: { ${given}: () => … } }).`,
    );
  }
  if (isSolver(given)) return given;
  throw new TypeError(
    `${where}: solver must be a solver of quasi-newton such as lbfgs(), got ${show(given)}.`,
  );
}
