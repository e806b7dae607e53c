import * as core from 'quasi-newton';
import * as bullmq from 'quasi-newton/bullmq';
import * as landscape from 'quasi-newton/landscape';
import * as onnx from 'quasi-newton/onnx';
import * as tfjs from 'quasi-newton/tfjs';
import { describe, expect, it } from 'vitest';
import { mlp } from '../examples/lib/mlp.js';

/** Names that programs outside of this project call: they stay. */
const stable: Record<string, { names: string; of: object }> = {
  'quasi-newton': {
    of: core,
    names: `minimize minimizeAsync auto gradientDescent conjugateGradient lbfgs bfgs ssbfgs ssbroyden slbfgs soap newtonCG
      levenbergMarquardt owlqn adam sequence strongWolfe hagerZhang backtracking fixedStep curveFit leastSquaresFit leastSquares flatten checkGradient hessianVectorProduct vectorParams checkGradientAsync`,
  },
  'quasi-newton/tfjs': {
    of: tfjs,
    names: `optfuns tfParams tfGrads LBFGSOptimizer BFGSOptimizer SSBroydenOptimizer SLBFGSOptimizer SOAPOptimizer
      SolverOptimizer modelProblem fitFullBatch fitFullBatchAsync toOnnx accelerate enableSecondOrder register`,
  },
  'quasi-newton/onnx': {
    of: onnx,
    names: `differentiate differentiateModel explain trainable registerVjp OnnxError gradientNameOf vectorNameOf
      hessianVectorNameOf`,
  },
  'quasi-newton/landscape': {
    of: landscape,
    names: `landscape landscapeAsync contourf contour surface line heatmap convergence boxplot density topEigenpairs
      hessianTrace spectralDensity sharpness connect between toPNG toOBJ toVTP encodeLandscape decodeLandscape
      curvatureMap eigenPlane boxSharpness pcaPlane`,
  },
  'quasi-newton/bullmq': { of: bullmq, names: 'bullmqExecutor bullmqProblem serveProblem' },
};

describe.each(Object.entries(stable))('%s', (_, { of, names }) => {
  it.each(names.split(/\s+/))('exports the function %s', (name) => {
    expect(typeof of[name as keyof typeof of]).toBe('function');
  });
});

it('minimize takes a problem and a solver, and answers with what a SolveResult holds', () => {
  const bowl: core.Problem = {
    p0: new Float64Array([3, -2]),
    fg(x, gradient) {
      gradient?.set(x.map((v) => 2 * v));
      return x[0] ** 2 + x[1] ** 2;
    },
  };
  const result = core.minimize(bowl, core.auto());
  for (const key of 'x f gradientNorm iterations evaluations termination message converged elapsed trace state'.split(
    ' ',
  ))
    expect(result).toHaveProperty(key);
  expect(Math.hypot(...result.x)).toBeLessThan(1e-6);
  expect(String(result)).toContain(result.message);
});

it('flatten gives a vector and the way back', () => {
  const tree = { a: [1, 2], b: 3 };
  const { vector, unflatten } = core.flatten(tree);
  expect([...vector]).toEqual([1, 2, 3]);
  expect(unflatten(vector)).toEqual(tree);
});

it('differentiate gives a file that is its own property bytes', () => {
  const file = onnx.differentiateModel(mlp([2, 3, 1]), { loss: 'mse' });
  expect(file).toBeInstanceOf(Uint8Array);
  expect(file.bytes).toEqual(file);
  expect(file.parameters.length).toBe(4);
});
