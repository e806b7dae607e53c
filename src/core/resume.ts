/**
 * Continues from the state of an earlier run.
 *
 * @module
 */
import { AGREEMENT } from './epsilon.ts';
import { show } from './options.ts';
import { evaluate, type Asks } from './question.ts';
import { copyPlain, isArray, isObject, type ProblemMark, type RunState } from './runState.ts';
import type { Meter } from './meter.ts';
import type { ProblemFacts } from './problem.ts';
import type { Iterate, Setting, Solver } from './solver.ts';

/** Returns the properties of a problem that its states depend on. */
export const markOf = (
  { params }: ProblemFacts,
  { n, precision, stochastic = false }: Setting,
): ProblemMark => ({
  n,
  precision,
  stochastic,
  shapes: params ? params.layout.tensors.map(({ shape }) => shape) : null,
});

/**
 * Checks that a state can be resumed with this solver and problem.
 *
 * @throws TypeError if it is not a state @throws RangeError naming everything that differs
 */
export function checkResume(
  where: string,
  state: RunState,
  solver: Solver,
  mark: ProblemMark,
  transform: string,
): void {
  // That it is an object is checked with the options.
  if (state.format !== 1 || !state.iterate || !state.problem) {
    const isSaved = 'checksum' in state;
    throw new TypeError(
      `${where}: resume must be the state of a run, result.state or what loadState returns, got ${show(state)}.${isSaved ? ' It is a saved state: loadState(saved) reads it.' : ''}`,
    );
  }
  const part = missingPart(state);
  if (part !== null) {
    throw new TypeError(
      `${where}: resume: the state has no ${part}: it is damaged, or was made by another release. Omit resume to start from p0.`,
    );
  }
  const was = state.problem;
  const faults = [
    ...differ('solver', state.solver, solver.name),
    ...differ('transform', state.transform, transform),
    ...differ('number of unknowns', was.n, mark.n),
    ...differ('precision', was.precision, mark.precision),
    ...differ('kind of problem', kindOf(was), kindOf(mark)),
    ...(was.shapes && mark.shapes && was.n === mark.n
      ? differ('shapes of the tensors', shown(was.shapes), shown(mark.shapes))
      : []),
  ];
  if (faults.length > 0) {
    throw new RangeError(
      `${where}: resume: the state belongs to another run: ${faults.join('; ')}. Omit resume to start from p0.`,
    );
  }
}

/** Returns the name of a part that a state lacks, or null. */
function missingPart({ iterate, best, convergence }: RunState): string | null {
  if (!isArray(iterate.x) || !isArray(iterate.gradient)) return 'iterate';
  if (!isObject(best) || !(best.x === null || isArray(best.x))) return 'best point';
  return isObject(convergence?.start) && isObject(convergence.floor) ? null : 'memory of convergence';
}

const kindOf = ({ stochastic }: ProblemMark) => (stochastic ? 'mini-batches' : 'all data at once');
const shown = (shapes: readonly (readonly number[])[]) =>
  shapes.map((shape) => `[${shape.join(', ')}]`).join(' ');
const differ = (what: string, was: unknown, is: unknown): string[] =>
  was === is ? [] : [`its ${what} is ${String(was)}, here it is ${String(is)}`];

/**
 * Copies a solver's state from an earlier run into a fresh state of the same solver, array by array, so that
 * the arrays stay in the memory where the solver allocated them.
 *
 * @throws RangeError naming the first part that does not fit, because an option of the solver differs
 */
function restoreInto(where: string, fresh: Iterate, saved: Iterate, solver: string): void {
  const fits = fill(fresh, saved, '');
  if (fits !== null) {
    throw new RangeError(
      `${where}: resume: the state does not fit the options of ${solver}(): ${fits}. Give the solver the options that it had, or omit resume.`,
    );
  }
}

type Part = Record<string, unknown>;

/** Fills `into` from `from`; returns null, or the part that does not fit. */
function fill(into: object, from: object, path: string): string | null {
  const target = into as Part;
  const keys = new Set([...Object.keys(into), ...Object.keys(from)]);
  for (const key of keys) {
    const name = Array.isArray(into) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    if (key === '__proto__') return `${name} does not belong in a state`;
    const [is, was] = [target[key], (from as Part)[key]];
    if (was === undefined && is !== undefined) return `${name} is missing`;
    if (isArray(is) && isArray(was)) {
      if (is.length !== was.length || is.constructor !== was.constructor)
        return `${name} has ${was.length} numbers, not ${is.length}`;
      is.set(was);
    } else if (isArray(is) || (isArray(was) && is)) {
      return `${name} is of another kind`;
    } else if (Array.isArray(is) && Array.isArray(was) && is.length !== was.length) {
      return `${name} has ${was.length} parts, not ${is.length}`;
    } else if (isObject(is) && isObject(was)) {
      const fault = fill(is, was, name);
      if (fault !== null) return fault;
    } else if (differsInKind(is, was)) {
      return `${name} is of another kind`;
    } else target[key] = copyPlain(was);
  }
  return null;
}

/** True if a fresh value and a saved one cannot be the same part; null and nothing may become anything. */
const differsInKind = (is: unknown, was: unknown): boolean =>
  isObject(is) || (is !== null && is !== undefined && was !== null && typeof is !== typeof was);

/**
 * Brings a fresh solver state to the point of an earlier run, and evaluates f there.
 *
 * On mini-batches nothing is evaluated, because the next batch is drawn first.
 *
 * @returns false if f is now another function, which only a solver without curvature accepts
 * @throws RangeError if the state does not fit the solver, or belongs to another function
 */
export function* comeBack(
  { iterate, statistics, convergence, problem: { precision, stochastic } }: RunState,
  state: Iterate,
  solver: Solver,
  {
    where,
    task,
    setting,
    meter,
  }: { where: string; task: ProblemFacts; setting: Setting; meter: Pick<Meter, 'count'> },
): Asks<boolean> {
  restoreInto(where, state, iterate, solver.name);
  const admitted = state.x.slice();
  solver.admit?.(admitted, setting);
  if (admitted.some((value, i) => value !== state.x[i])) {
    throw new RangeError(
      `${where}: resume: the point of the state lies outside the bounds of ${solver.name}(). Omit resume to start from p0.`,
    );
  }
  if (statistics !== null) task.statistics?.write(statistics);
  if (stochastic) return true;
  const gradient = new Float64Array(state.x.length).fill(NaN);
  const question = evaluate(state.x, gradient);
  const f = yield question;
  meter.count(question);
  const size = Math.max(Math.abs(f), Math.abs(state.f), Math.abs(convergence.start.f));
  if (Math.abs(f - state.f) <= AGREEMENT[precision] * size) return true;
  if (solver.descends) {
    throw new RangeError(
      `${where}: resume: f is ${f} at the point of the state, where it was ${state.f}: the data or the loss have changed, so the curvature that ${solver.name}() has learned is of no use. Omit resume to start from p0.`,
    );
  }
  state.f = f;
  state.gradient.set(gradient);
  return false;
}
