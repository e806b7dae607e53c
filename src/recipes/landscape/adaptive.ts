/**
 * Adaptive grids: coarse points are evaluated first, finer ones only where interpolation predicted badly; the others keep
 * their predictions.
 *
 * @module
 */
import { checkOptions, finitePositive, isPlainObject, type Rule, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { valueScaleRule, type ValueScale } from '../grid/valueScale.ts';
import { walk, type Draft, type SurveyHooks } from '../grid/gridWalk.ts';
import { reportOf } from './adaptiveReport.ts';
import { rounds, type AdaptiveGoal, type Knowledge, type Round } from './refinement.ts';

/** Scale in which predictions are judged: that in which the landscape will be drawn. */
export type AdaptiveScale = ValueScale | 'auto';

/** Accuracy and cost of an adaptive grid. */
export interface AdaptiveOptions {
  /** Scale in which predictions are judged: that in which the landscape will be drawn. @defaultValue `'auto'` */
  scale?: AdaptiveScale | undefined;
  /**
   * Largest estimated error of a prediction, in color bands of the picture (20 between robust limits). Points are
   * evaluated until it is reached or the budget is spent; `adaptive` of the result says which.
   *
   * @defaultValue `0.25`
   */
  tolerance?: number | undefined;
  /**
   * Largest part of the points to evaluate, in (0, 1]. The coarse points, 7 % of 65 × 65, and those whose prediction
   * is not finite are evaluated in any case.
   *
   * @defaultValue `0.2`, or `0.5` along a line, but at least twice the coarse points
   */
  budget?: number | undefined;
}

export const adaptiveRule: Rule = {
  allowed: `true or false, or ${valueScaleRule.allowed}, or { scale, tolerance, budget }`,
  accepts: (value) =>
    typeof value === 'boolean' ||
    valueScaleRule.accepts(value) ||
    (typeof value === 'object' && value !== null && isPlainObject(value)),
};

const rules: Rules<AdaptiveOptions> = {
  scale: valueScaleRule,
  tolerance: finitePositive,
  budget: { allowed: 'a number in (0, 1]', accepts: (v) => typeof v === 'number' && v > 0 && v <= 1 },
};

/**
 * Returns the adaptive grid that the option asks for.
 *
 * @throws RangeError naming what is wrong in an object of options
 */
export function adaptiveGoal(where: string, asked: true | AdaptiveScale | AdaptiveOptions): AdaptiveGoal {
  const options = asked === true ? {} : typeof asked === 'string' ? { scale: asked } : asked;
  checkOptions(`${where}: adaptive`, options, rules);
  const { scale = 'auto', tolerance = 0.25, budget } = options;
  return { scale, tolerance, budget };
}

/** Mark of a cell in `done` whose value is a prediction. */
export const predicted = 2;

/** The cells to evaluate, round by round. */
export interface AdaptivePlan {
  /** Returns the next cells to evaluate, given the values so far, or a completed lattice; null at the end. */
  next(): Round | null;
  /** Returns a copy of the draft in which cells that were not evaluated hold predictions. */
  filled(): Draft;
  /** Writes predictions into all cells that were not evaluated, marked in `done`, and reports on their errors. */
  finish(): void;
}

/** Returns the plan for a draft. Cells that are already done do not change which cells it asks for. */
export function adaptivePlan(draft: Draft, goal: AdaptiveGoal): AdaptivePlan {
  let knowledge: Knowledge | undefined;
  const steps = rounds(draft, goal, (learned) => (knowledge = learned));
  return {
    next() {
      const turn = steps.next();
      return turn.done === true ? null : turn.value;
    },
    filled() {
      const copy: Draft = {
        ...draft,
        z: Float64Array.from(draft.z),
        done: Uint8Array.from(draft.done),
        metrics: Object.fromEntries(
          Object.entries(draft.metrics).map(([name, values]) => [name, Float64Array.from(values)]),
        ),
      };
      fill(copy, knowledge);
      return copy;
    },
    finish() {
      if (knowledge !== undefined) draft.adaptive = reportOf(knowledge, goal);
      fill(draft, knowledge);
    },
  };
}

/** Writes predictions into cells that were not evaluated, once the coarse levels are known. */
function fill(draft: Draft, knowledge: Knowledge | undefined): void {
  if (knowledge === undefined) return;
  for (let cell = 0; cell < draft.done.length; cell++) {
    if (draft.done[cell] === 1) continue;
    draft.z[cell] = knowledge.raw[cell];
    for (const [name, values] of Object.entries(draft.metrics)) values[cell] = knowledge.metrics[name][cell];
    draft.done[cell] = predicted;
  }
}

/** As `survey`, for an adaptive plan, round by round. */
export function* adaptiveSurvey(draft: Draft, plan: AdaptivePlan, hooks: SurveyHooks): Asks<void> {
  hooks.signal?.throwIfAborted();
  draft.loss = yield evaluate(draft.plane.center, null);
  hooks.started();
  for (let round = plan.next(); round !== null; round = plan.next()) {
    if ('cells' in round) yield* walk(draft, round.cells, { ...hooks, levelDone: undefined });
    else hooks.levelDone?.(round.stride);
  }
  plan.finish();
  hooks.finished?.();
}

/** Runs the rounds of a plan through `evaluateCells`; the loss at the center must be known. */
export async function adaptiveRun(
  plan: AdaptivePlan,
  hooks: SurveyHooks,
  evaluateCells: (cells: Uint32Array, hooks: SurveyHooks) => Promise<void>,
): Promise<void> {
  for (let round = plan.next(); round !== null; round = plan.next()) {
    if ('cells' in round) await evaluateCells(round.cells, { ...hooks, levelDone: undefined });
    else hooks.levelDone?.(round.stride);
  }
  plan.finish();
  hooks.finished?.();
}
