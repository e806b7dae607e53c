/**
 * `quasi-newton`: solvers, and what they and the adapters share. Loads with no backend installed.
 *
 * @module quasi-newton
 */

export { flatten, type Flattened, type FlattenOptions } from './core/flatten.ts';
export { layoutOf, type Layout, type TensorEntry, type TensorRole, type TensorSpec } from './core/layout.ts';
export {
  hessianVectorProduct,
  hessianVectorProductAsync,
  type HessianVectorOptions,
  type HessianVectorProduct,
} from './core/hessianVectorProduct.ts';
export { loadState, saveState, type SavedState } from './core/savedState.ts';
export type { RunState } from './core/runState.ts';
export type { Validation, ValidationResult } from './core/validation.ts';
export { vectorParams, type GradSet, type ParamSet } from './core/paramSet.ts';
export {
  evaluate,
  type Asks,
  type Compute,
  type Evaluate,
  type EvaluateOverlap,
  type EvaluateResiduals,
  type HessianVector,
  type NextBatch,
  type Question,
  type ValuesAt,
} from './core/question.ts';
export {
  checkGradient,
  checkGradientAsync,
  type CheckGradientOptions,
  type GradientCheck,
  type GradientElement,
} from './core/checkGradient.ts';
export {
  finiteDifferences,
  finiteDifferencesAsync,
  type FiniteDifferencesOptions,
} from './core/finiteDifferences.ts';
export type { Scale } from './core/scale.ts';
export { leastSquares, type LeastSquaresSettings } from './core/leastSquares.ts';
export type { RobustLoss } from './core/robustLoss.ts';
export type { Scheme } from './core/jacobian.ts';
export {
  checkJacobian,
  checkJacobianAsync,
  type CheckJacobianOptions,
  type JacobianCheck,
  type JacobianElement,
  type JacobianMethod,
} from './core/checkJacobian.ts';
export { runAsync, runSync } from './core/drive.ts';
export { terminations, type Outcome, type Termination } from './core/termination.ts';
export type {
  AsyncObjective,
  AsyncProblem,
  Objective,
  Precision,
  Problem,
  ProblemFacts,
  Residuals,
  Statistics,
} from './core/problem.ts';
export type { ConvergenceMeasure, ConvergenceMeasures, SolveResult } from './core/result.ts';
export type { AsyncSolveOptions, PlainSolveOptions, Progress, SolveOptions } from './core/solveOptions.ts';
export type { Iterate, Measured, Setting, Solver, SolverState, StepOutcome } from './core/solver.ts';
export type { TraceEntry } from './core/trace.ts';

export { adam, type AdamOptions } from './solvers/adam.ts';
export { auto } from './solvers/auto.ts';
export type { ScalingName } from './solvers/curvature.ts';
export { bfgs, type BfgsOptions } from './solvers/bfgs.ts';
export { conjugateGradient, type ConjugateGradientOptions } from './solvers/conjugateGradient.ts';
export { gradientDescent, type GradientDescentOptions } from './solvers/gradientDescent.ts';
export { curveFit, type CurveFitOptions } from './solvers/curveFit/curveFit.ts';
export {
  leastSquaresFit,
  type LeastSquaresFit,
  type LeastSquaresFitOptions,
} from './solvers/curveFit/leastSquaresFit.ts';
export type { Point, Sigma } from './solvers/curveFit/data.ts';
export type { Slopes } from './solvers/curveFit/model.ts';
export type { Limits, Start, Values } from './solvers/curveFit/parameters.ts';
export type { Band, Prediction, PredictOptions } from './solvers/curveFit/predict.ts';
export type { Interval } from './solvers/curveFit/profile.ts';
export type { CurveFit, ParameterRole } from './solvers/curveFit/result.ts';
export { lbfgs, type LbfgsOptions } from './solvers/lbfgs.ts';
export { minimize, minimizeAsync } from './solvers/minimize.ts';
export type { Bound } from './core/bounds.ts';
export type { LimitedMemoryOptions } from './solvers/limitedMemory.ts';
export {
  lineSearchSolver,
  type Descent,
  type LearnedStep,
  type LineSearchMethod,
  type StepNorms,
} from './solvers/lineSearchSolver.ts';
export { levenbergMarquardt, type LevenbergMarquardtOptions } from './solvers/levenbergMarquardt.ts';
export { newtonCG, type NewtonCGOptions } from './solvers/newtonCG.ts';
export { owlqn, type OwlqnOptions } from './solvers/owlqn.ts';
export {
  cosineDecay,
  exponentialDecay,
  warmup,
  warmupCosine,
  warmupStableDecay,
  type Schedule,
} from './solvers/schedules.ts';
export { sequence, type Stage } from './solvers/sequence.ts';
export { slbfgs, type SlbfgsOptions } from './solvers/slbfgs.ts';
export { soap } from './solvers/soap.ts';
export type { SoapOptions } from './solvers/soapOptions.ts';
export { ssbfgs, type SsbfgsOptions } from './solvers/ssbfgs.ts';
export { ssbroyden, type SsbroydenOptions } from './solvers/ssbroyden.ts';
export {
  hagerZhangStep,
  previousStep,
  quadraticStep,
  rampedStep,
  staticStep,
  unitStep,
  type InitialStep,
  type LastStep,
} from './solvers/initialStep.ts';
export type { LineState } from './solvers/searchAlong.ts';
export type {
  AskPhi,
  LineSearch,
  LineSearchFailure,
  LineSearchResult,
  Phi,
} from './solvers/linesearch/lineSearch.ts';
export { backtracking, type BacktrackingOptions } from './solvers/linesearch/backtracking.ts';
export { fixedStep, type FixedStepOptions } from './solvers/linesearch/fixedStep.ts';
export { hagerZhang, type HagerZhangOptions } from './solvers/linesearch/hagerZhang.ts';
export { strongWolfe, type StrongWolfeOptions } from './solvers/linesearch/strongWolfe.ts';
