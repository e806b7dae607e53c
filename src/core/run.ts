import { convergenceTests, freshConvergence, type Convergence } from './convergence.ts';
import { startMeter, type Meter } from './meter.ts';
import { evaluate, type Asks } from './question.ts';
import { comeBack, markOf } from './resume.ts';
import { copyPlain, type ConvergenceMemory, type RunState } from './runState.ts';
import { checkStartValues } from './start.ts';
import { traceHeading, type TraceEntry } from './trace.ts';
import { watch, type Watch } from './validation.ts';
import { sameNumbers } from './vector.ts';
import type { BestPoint } from './best.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Iterate, Measured, Setting, Solver } from './solver.ts';
import type { Task } from './task.ts';
import type { View } from './view.ts';

/** A run in progress: the solver's state, and the data of the loop around it. */
export interface Run {
  readonly solver: Solver;
  readonly task: Task;
  readonly options: CompleteSolveOptions;
  readonly setting: RunSetting;
  readonly view: View;
  readonly best: BestPoint;
  readonly meter: Meter;
  /** The solver's state, at the current point. */
  readonly state: Iterate;
  readonly convergence: Convergence;
  readonly memory: ConvergenceMemory;
  readonly watched: Watch | undefined;
  readonly trace: TraceEntry[];
  iteration: number;
  /** f and ‖∇f‖∞ at the current point, as the user sees them. */
  now: Measured;
  /** The last step length. */
  alpha: number;
  /** The largest |f| so far, as the solver sees it. */
  highest: number;
  /** The smallest |f| > 0 so far, as the solver sees it; 0 if there was none. */
  smallest: number;
}

/** The {@link Setting} of a solver, with the defaults filled in. */
export type RunSetting = ReturnType<typeof settingOf>;

/** Begins a run: evaluates its first point, or restores the state of an earlier run. */
export function* startRun(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  best: BestPoint,
  view: View,
): Asks<Run> {
  const { resume } = options;
  const setting = settingOf(task);
  const meter = startMeter(options);
  const state = resume
    ? (solver.initLike?.(setting, resume.iterate) ?? solver.init(setting))
    : solver.init(setting);
  if (options.showTrace) console.log(traceHeading);

  const sameFunction = yield* firstPoint(state, { solver, task, options, setting, meter, best });
  checkStartValues(options.where, state, task);
  const now = view.measure(state);
  if (resume && !sameFunction) best.keep(state.x, now);
  const memory = resume && sameFunction ? copyPlain(resume.convergence) : freshConvergence(now);
  const descends = solver.descends && !setting.stochastic;
  return {
    solver,
    task,
    options,
    setting,
    view,
    best,
    meter,
    state,
    memory,
    now,
    convergence: convergenceTests(options, memory, state.x, setting.precision, descends),
    watched:
      options.validation && watch(options.validation, task, copyPlain(resume?.validation) ?? undefined),
    trace: [],
    iteration: 0,
    alpha: resume?.alpha ?? 0,
    highest: resume?.highest ?? 0,
    smallest: resume?.smallest ?? 0,
  };
}

/**
 * Evaluates the first point, or restores that of an earlier run; returns true if f and ∇f there are
 * unchanged.
 */
function* firstPoint(
  state: Iterate,
  {
    solver,
    task,
    options,
    setting,
    meter,
    best,
  }: Pick<Run, 'solver' | 'task' | 'options' | 'setting' | 'meter' | 'best'>,
): Asks<boolean> {
  if (options.resume)
    return yield* comeBack(options.resume, state, solver, { where: options.where, task, setting, meter });
  state.x.set(best.x);
  // Makes elements visible that fg leaves unwritten or adds to.
  state.gradient.fill(NaN);
  yield* refresh(state, meter);
  return false;
}

/** Returns the state that another run can resume; it shares its arrays with the run. */
export function stateOf({ solver, task, setting, view, best, state, ...run }: Run): RunState {
  return {
    format: 1,
    solver: solver.name,
    transform: view.name,
    problem: markOf(task, setting),
    iterate: state,
    best: {
      x: sameNumbers(best.x, state.x) ? null : best.x.slice(),
      f: best.f,
      gradientNorm: best.gradientNorm,
    },
    convergence: run.memory,
    // A copy, because a run that continues this one does not count the additional evaluation at the end.
    validation: run.watched ? { ...run.watched.memory } : null,
    statistics: task.statistics?.read(state.x) ?? null,
    factor: view.factor(),
    highest: run.highest,
    smallest: run.smallest,
    alpha: run.alpha,
  };
}

/** Returns the facts about the problem that the solver is given. */
export function settingOf(task: Task) {
  return {
    n: task.p0.length,
    precision: task.precision ?? 'float64',
    stochastic: task.nextBatch !== undefined,
    overlap: task.overlap !== undefined,
    residualCount: task.residuals === undefined ? 0 : (task.residualCount ?? NaN),
    jacobianGram: task.jacobianGram !== undefined,
    jacobianProducts: task.jacobianVector !== undefined && task.vectorJacobian !== undefined,
    hessianVector: task.hessianVector !== undefined,
    ...(task.params && { layout: task.params.layout }),
  } satisfies Setting;
}

/** Evaluates f and ∇f at a point. */
export function* refresh(state: Iterate, meter: Meter): Asks<void> {
  const question = evaluate(state.x, state.gradient);
  state.f = yield question;
  meter.count(question);
}

export const isFiniteAt = ({ f, gradientNorm }: Measured): boolean =>
  Number.isFinite(f) && Number.isFinite(gradientNorm);
