import { describe, expect, it } from 'vitest';
import {
  boolean,
  checkOptions,
  either,
  integerFrom,
  nonNegative,
  numberBetween,
  oneOf,
} from '../../src/core/options.ts';
import { minimize } from '../../src/core/minimize.ts';
import { completeSolveOptions, plainSolveRules } from '../../src/core/solveOptions.ts';
import { adam } from '../../src/solvers/adam.ts';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { newtonCG } from '../../src/solvers/newtonCG.ts';
import { slbfgs } from '../../src/solvers/slbfgs.ts';
import { backtracking } from '../../src/solvers/linesearch/backtracking.ts';
import { fixedStep } from '../../src/solvers/linesearch/fixedStep.ts';
import { strongWolfe } from '../../src/solvers/linesearch/strongWolfe.ts';
import { rosenbrock } from './functions.ts';

/** Options as a JavaScript user may write them. */
const anyOptions = (options: object) => options as Partial<Record<'memory' | 'c2' | 'mode' | 'tol', unknown>>;

const wrong = (options: object) => options as never;

describe('checkOptions', () => {
  const rules = {
    memory: integerFrom(1),
    c2: numberBetween(0, 1),
    mode: either(boolean, oneOf('a', 'b')),
    tol: nonNegative,
  };

  it('accepts what the rules allow, and options left undefined', () => {
    checkOptions('solver', { memory: 3, c2: 0.9, mode: 'b', tol: 0 }, rules);
    checkOptions('solver', anyOptions({ memory: undefined, mode: true }), rules);
    expect(() => checkOptions('solver', anyOptions({ memory: Infinity }), rules)).not.toThrow();
  });

  it('names one fault with the value got and what is allowed', () => {
    expect(() => checkOptions('solver', anyOptions({ memory: 2.5 }), rules)).toThrow(
      new RangeError('solver: memory: must be a whole number ≥ 1, got 2.5.'),
    );
  });

  it('names all faults at once', () => {
    const options = anyOptions({ memory: '3', c2: 1, mode: 'c', tol: NaN, lineserch: 1 });
    let message = '';
    try {
      checkOptions('solver', options, rules);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toBe(
      [
        'solver: 5 options are wrong:',
        '  memory: must be a whole number ≥ 1, got "3".',
        '  c2: must be a number in (0, 1), got 1.',
        `  mode: must be true or false, or 'a' or 'b', got "c".`,
        '  tol: must be a finite number ≥ 0, got NaN.',
        '  lineserch: no such option; there are memory, c2, mode, tol.',
      ].join('\n'),
    );
  });

  it('refuses what is no object', () => {
    expect(() => checkOptions('solver', anyOptions([1]), rules)).toThrow(TypeError);
    expect(() => checkOptions('solver', JSON.parse('null'), rules)).toThrow(
      /options must be an object, got null/,
    );
  });
});

describe('options of the entry points', () => {
  it.each([
    ['minimize', () => minimize(rosenbrock(), lbfgs(), wrong({ maxIter: 3, gtol: -1 }))],
    ['lbfgs', () => lbfgs(wrong({ memory: 0, lineSearch: 'wolfe' }))],
    ['strongWolfe', () => strongWolfe(wrong({ c1: 2, c3: 1 }))],
  ])('%s names both faults', (name, call) => {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(new RegExp(`^${name}: 2 options are wrong`));
  });

  it('strongWolfe wants c1 below c2', () => {
    expect(() => strongWolfe({ c1: 0.4, c2: 0.3 })).toThrow('c1 must be below c2, got c1 = 0.4 and c2 = 0.3');
  });

  it.each([
    ['backtracking', 'minShrink must not exceed maxShrink', () => backtracking({ minShrink: 0.6 })],
    ['newtonCG', 'radius must not exceed maxRadius', () => newtonCG({ radius: 2, maxRadius: 1 })],
    ['strongWolfe', 'alphaMax: must be a finite number > 0, got 0', () => strongWolfe({ alphaMax: 0 })],
    ['fixedStep', 'alpha: must be a finite', () => fixedStep({ alpha: Infinity })],
    ['slbfgs', 'alphaMax: must be a finite', () => slbfgs({ alphaMax: Infinity })],
    ['adam', 'learningRate: must be a finite', () => adam({ learningRate: Infinity })],
    ['lbfgs', 'memory: must be a whole number in', () => lbfgs({ memory: Infinity })],
  ])('%s refuses what no step can be taken with: %s', (name, message, call) => {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(`${name}: ${message}`);
  });
});

it('options of a solve that are left undefined have their documented defaults, others are kept', () => {
  const defaults = {
    where: 'here',
    maxIterations: 1000,
    maxEvaluations: Infinity,
    maxProducts: Infinity,
    maxTime: Infinity,
    gtol: 1e-8,
    gRel: 0,
    ftol: 0,
    xtol: 0,
    storeTrace: true,
    showTrace: false,
    showEvery: 1,
  };
  const undefinedOptions = Object.fromEntries(Object.keys(plainSolveRules).map((name) => [name, undefined]));
  for (const options of [{}, undefinedOptions]) {
    expect(completeSolveOptions('here', options, plainSolveRules)).toStrictEqual(defaults);
  }
  const given = { gtol: 0, storeTrace: false, maxTime: 3 };
  expect(completeSolveOptions('here', given, plainSolveRules)).toStrictEqual({ ...defaults, ...given });
});
