import type * as tf from '@tensorflow/tfjs';
import { noFloor } from '../../../core/convergence.ts';
import { runUnguardedAsync } from '../../../core/drive.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { AsyncObjective } from '../../../core/problem.ts';
import { errorAfter } from '../../../core/putBack.ts';
import { normInf } from '../../../core/vector.ts';
import { adam } from '../../../solvers/adam.ts';
import type { Bounds } from '../../../core/question.ts';
import type { Solver } from '../../../core/solver.ts';
import { fitWatch } from '../internals/model.ts';
import type { TfParamSet } from '../tensors/tfParams.ts';
import { applyGradients, type AppliedOptions } from './appliedGradients.ts';
import type { OptimizerProgress } from './progress.ts';
import { runCall, type ClosureCall } from './guardedCall.ts';
import type { Call, Knowledge, RunContext, RunSettings } from './runContext.ts';
import { callSteps } from './trainingCall.ts';

/** One call on an asynchronous function that represents the loss of some variables. */
export interface LaterCall extends Pick<Call, 'model' | 'varies'> {
  readonly fg: AsyncObjective;
  readonly variables: readonly tf.Variable[];
  /** The parameter set for reading and writing points, in the order of the variables. */
  readonly memory: ParamSet;
  /**
   * Runs a function that changes the variables: copies the point from the memory to them before, and back
   * after.
   */
  readonly readBack: (change: () => void) => void;
}

/** A solver working on one list of variables, through any number of closures. */
export interface TrainingRun {
  readonly params: TfParamSet;
  /** The parameter set that receives the points: `params`, or other memory that represents it. */
  readonly memory: ParamSet;
  readonly knowledge: Knowledge;
  /** Runs solver iterations on one closure; the tensors in `stash` must be disposed later. */
  minimize(call: ClosureCall): { progress: OptimizerProgress; stash: tf.Tensor[] };
  /** Runs solver iterations on one asynchronous function. */
  minimizeLater(call: Call, fg: AsyncObjective): Promise<OptimizerProgress>;
  /** Bounds the change of a parameter per mini-batch from now on. */
  setMaxChange(maxChange: number): void;
  /** Takes a bounded step along −H∇f for given gradients. */
  applyGradients(gradients: tf.NamedTensorMap, options: AppliedOptions, project: Call['project']): void;
}

/**
 * A projection that moves no parameter by more than this, relative to the largest, counts as none: the
 * constraints of tfjs divide by a norm plus 1e-7, and so change even weights well inside.
 */
const PROJECTION_TOLERANCE = 1e-6;

/**
 * Rate of Adam on closures that draw another batch at each evaluation, as a fraction of the bound on changes.
 */
const ADAM_RATE = 0.1;

/**
 * @param knowledge - state of an earlier run on variables of the same shapes, to continue from
 * @param memory - parameter set that receives the points. @defaultValue `params`
 */
export function trainingRun(
  solver: Solver,
  params: TfParamSet,
  settings: RunSettings,
  knowledge?: Knowledge,
  memory: ParamSet = params,
): TrainingRun {
  const { length: n, layout } = params;
  const admit = (x: Float64Array) => solver.admit?.(x, { n, precision: 'float32' });
  admit(params.zeros()); // bounds must have n elements
  const plain = adam({ learningRate: () => ADAM_RATE * context.maxChange, ...boundsOf(solver, n) });
  const solverFor = (changes: Knowledge['changes']) => (changes === 'evaluations' ? plain : solver);
  const init = (changes: Knowledge['changes']) =>
    solverFor(changes).init({ n, precision: 'float32', stochastic: changes !== 'same', layout });
  const run: Knowledge = knowledge ?? {
    state: init('same'),
    known: false,
    stopped: null,
    floor: noFloor(),
    changes: 'same',
    checked: false,
    replaced: false,
    idle: 0,
    largest: 0,
    applied: null,
  };
  const current = params.zeros();
  const answer = params.zeros();
  const before = params.zeros();
  const context: RunContext = {
    ...settings,
    params: memory,
    run,
    fit: fitWatch(),
    previous: null,
    solver: () => solverFor(run.changes),
    readVariables() {
      memory.copyInto(current);
      admit(current);
      const { x } = run.state;
      const shown = context.answer();
      if (current.every((value, i) => value === shown[i])) return;
      if (shown === x) x.set(current);
      else for (let i = 0; i < n; i++) x[i] = Math.fround(x[i] + (current[i] - shown[i]));
      run.known = false;
    },
    answer() {
      return context.solver().answer?.(run.state, answer) ? answer : run.state.x;
    },
    restart(changes) {
      const { x, f, gradient } = run.state;
      run.state = init(changes);
      run.state.x.set(x);
      run.state.gradient.set(gradient);
      run.state.f = f;
      Object.assign(run, { changes, stopped: null, floor: noFloor() });
    },
    projected(x, project) {
      memory.copyInto(before);
      memory.copyFrom(x);
      try {
        project();
        memory.copyInto(current);
        checkWithin(settings.name, solver.bounds?.({ n, precision: 'float32' }), current);
      } catch (error) {
        throw errorAfter(error, () => memory.copyFrom(before));
      }
      let moved = 0;
      for (let i = 0; i < n; i++) moved = Math.max(moved, Math.abs(current[i] - x[i]));
      if (!(moved > PROJECTION_TOLERANCE * normInf(x))) return false;
      x.set(current);
      return true;
    },
  };
  return {
    params,
    memory,
    knowledge: run,
    setMaxChange: (maxChange) => void (context.maxChange = maxChange),
    minimize: (call) => runCall(context, params, call),
    minimizeLater: (call, fg) => runUnguardedAsync(callSteps(context, call), { p0: run.state.x, fg }),
    applyGradients(gradients, options, project) {
      context.readVariables();
      const shown = context.answer();
      if (shown !== run.state.x) {
        // The gradients were computed at the average: continue from there, without averaging.
        run.state.x.set(shown);
        context.restart(run.changes);
      }
      // Adam's memory differs from the solver's.
      const withSearch = run.changes === 'evaluations' ? null : options.withSearch;
      applyGradients(run, params, gradients, { ...options, withSearch, solver: context.solver() });
      admit(run.state.x);
      if (project && context.projected(run.state.x, project)) admit(run.state.x);
      params.copyFrom(run.state.x);
      run.known = false;
    },
  };
}

/** Checks that x lies within the bounds. @throws RangeError if layer constraints have moved a weight beyond the bounds, by more than rounding */
function checkWithin(name: string, box: Bounds | undefined, x: Float64Array): void {
  if (box === undefined) return;
  const slack = PROJECTION_TOLERANCE * normInf(x);
  for (let i = 0; i < x.length; i++) {
    if (x[i] >= box.lower(i) - slack && x[i] <= box.upper(i) + slack) continue;
    throw new RangeError(
      `${name}: lower and upper: the layer constraints of the attached model set weight ${i} to ${x[i]}, beyond its bounds, ${box.lower(i)} and ${box.upper(i)}. Give bounds that agree with the constraints, or attach(model, { constraints: false }).`,
    );
  }
}

/** Returns the bounds of a solver as options of another, for n unknowns. */
function boundsOf(solver: Solver, n: number): { lower?: Float64Array; upper?: Float64Array } {
  const box = solver.bounds?.({ n, precision: 'float32' });
  if (!box) return {};
  return {
    lower: Float64Array.from({ length: n }, (_, i) => box.lower(i)),
    upper: Float64Array.from({ length: n }, (_, i) => box.upper(i)),
  };
}
