import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { solveResult } from '../../src/core/result.ts';
import { completeSolveOptions, plainSolveRules } from '../../src/core/solveOptions.ts';
import { terminations, type Termination } from '../../src/core/termination.ts';
import { traceHeading, traceLine } from '../../src/core/trace.ts';

const facts = {
  x: Float64Array.of(1, 2, 3),
  f: 1 / 3,
  gradientNorm: 2e-9,
  iterations: 12,
  evaluations: { f: 15, gradient: 14, hessianVector: 0, jacobianVector: 0, vectorJacobian: 0 },
  termination: 'gradientTolerance' as Termination,
  message: null,
  elapsed: 0.012345,
  trace: [],
  method: 'L-BFGS (memory 5, Moré–Thuente)',
  measures: {
    gradient: { value: 2e-9, tolerance: 1e-8 },
    function: { value: 0.25, tolerance: 0 },
    step: { value: Infinity, tolerance: 0.5 },
  },
};

describe('the report of a result', () => {
  it('says how it ended, what was found, by which means, how far it came, and the work', () => {
    expect(String(solveResult(facts))).toBe(` * Status: success
    ${terminations.gradientTolerance.sentence}

 * Candidate solution
    Objective value:   3.333333e-1
    Unknowns:          3

 * Found with
    Method:            L-BFGS (memory 5, Moré–Thuente)

 * Convergence measures
    ‖∇f(x)‖∞         = 2.00e-9 ≤ 1.00e-8
    |f - f'| / |f|   = 2.50e-1 ≰ 0.00e+0
    ‖x - x'‖ / ‖x‖   = not measured

 * Work counters
    Seconds:           0.0123
    Iterations:        12
    f(x) calls:        15
    ∇f(x) calls:       14
`);
  });

  it('a change that was not measured is not compared with its tolerance', () => {
    const measures = { ...facts.measures, function: { value: NaN, tolerance: 1 } };
    expect(String(solveResult({ ...facts, measures }))).toContain("|f - f'| / |f|   = not measured");
  });

  it('calls a measure that is equal to its tolerance small enough', () => {
    const measures = { ...facts.measures, function: { value: 0, tolerance: 0 } };
    expect(String(solveResult({ ...facts, measures }))).toContain("|f - f'| / |f|   = 0.00e+0 ≤ 0.00e+0");
  });

  it('keeps the state of the run out of sight', () => {
    const state = { format: 1 } as never;
    const result = solveResult({ ...facts, state });
    expect(result.state).toBe(state);
    expect(Object.keys(result)).not.toContain('state');
    expect(JSON.stringify(result)).not.toContain('format');
  });

  it('counts products with the Hessian where there were any', () => {
    const evaluations = { ...facts.evaluations, hessianVector: 7 };
    expect(String(solveResult({ ...facts, evaluations }))).toMatch(
      / {4}∇f\(x\) calls: {7}14\n {4}∇²f\(x\)v calls: {5}7\n$/,
    );
  });

  it('counts products with the Jacobian where there were any', () => {
    const evaluations = { ...facts.evaluations, jacobianVector: 12, vectorJacobian: 15 };
    expect(String(solveResult({ ...facts, evaluations }))).toMatch(
      / {4}∇f\(x\) calls: {7}14\n {4}J\(x\)v calls: {7}12\n {4}J\(x\)ᵀu calls: {6}15\n$/,
    );
  });

  it('is what Node shows, and no part of the data', () => {
    const result = solveResult(facts);
    expect(inspect(result)).toBe(String(result));
    expect(Object.keys({ ...result })).not.toContain('toString');
  });

  it.each(Object.keys(terminations) as Termination[])('tells what %s means', (termination) => {
    const { outcome, sentence } = terminations[termination];
    const result = solveResult({ ...facts, termination });
    expect(result).toMatchObject({ message: sentence, converged: outcome === 'converged', termination });
    const words = { converged: 'success', stopped: 'stopped', failed: 'failure' };
    expect(String(result)).toContain(` * Status: ${words[outcome]}\n    ${sentence}\n`);
    expect(sentence).toMatch(/^[A-Zf].{20,}\.$/);
  });

  it('calls three endings a success, where f, x or its gradient met a tolerance', () => {
    const converged = Object.entries(terminations).filter(([, { outcome }]) => outcome === 'converged');
    expect(converged.map(([name]) => name)).toEqual([
      'gradientTolerance',
      'functionTolerance',
      'stepTolerance',
    ]);
  });
});

describe('a trace', () => {
  it('prints its lines under their heading', () => {
    const entry = {
      iteration: 7,
      f: -1234.5678,
      gradientNorm: 0.000123456,
      alpha: 0.5,
      evaluations: 9,
      elapsed: 1.006,
    };
    const line = traceLine(entry);
    expect(line).toBe('         7     -1.234568e+3        1.235e-4    0.500            9      1.01');
    expect(line.length).toBe(traceHeading.length);
    expect(traceHeading.split(/ {2,}/)).toEqual([
      ' Iteration',
      'Function value',
      'Gradient norm',
      'Step',
      'Evaluations',
      'Seconds',
    ]);
  });
});

describe('the options of a solve', () => {
  it('have the defaults they document, also where they are undefined', () => {
    const defaults = {
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
      where: 'solve',
    };
    expect(completeSolveOptions('solve', {}, plainSolveRules)).toEqual(defaults);
    const given = { gtol: undefined, storeTrace: undefined, ftol: 0.5 } as never;
    expect(completeSolveOptions('solve', given, plainSolveRules)).toEqual({ ...defaults, ftol: 0.5 });
  });

  it.each([
    ['maxIterations: must be a whole number ≥ 0, got -1.', { maxIterations: -1 }],
    ['maxEvaluations: must be a whole number ≥ 1, got 0.', { maxEvaluations: 0 }],
    ['maxProducts: must be a whole number ≥ 1, got 0.', { maxProducts: 0 }],
    ['maxTime: must be a number > 0, got 0.', { maxTime: 0 }],
    ['gtol: must be a finite number ≥ 0, got -1.', { gtol: -1 }],
    ['gRel: must be a finite number ≥ 0, got NaN.', { gRel: NaN }],
    ['ftol: must be a finite number ≥ 0, got Infinity.', { ftol: Infinity }],
    ['xtol: must be a finite number ≥ 0, got "1".', { xtol: '1' }],
    ['storeTrace: must be true or false, got 1.', { storeTrace: 1 }],
    ['showTrace: must be true or false, got 1.', { showTrace: 1 }],
    ['showEvery: must be a whole number ≥ 1, got 0.', { showEvery: 0 }],
    ['callback: must be a function, got 1.', { callback: 1 }],
    ['signal: must be an AbortSignal, got an object with nothing.', { signal: {} }],
  ])('are refused: %s', (message, options) => {
    expect(() => completeSolveOptions('solve', options as never, plainSolveRules)).toThrow(
      new RangeError(`solve: ${message}`),
    );
  });
});
