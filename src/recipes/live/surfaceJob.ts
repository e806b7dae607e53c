/**
 * A landscape evaluated in slices of a few milliseconds, between the steps of a training run.
 *
 * @module
 */
import { adaptiveSurvey } from '../landscape/adaptive.ts';
import { jobOf } from '../landscape/prepareLandscape.ts';
import type { Asks, Question } from '../../core/question.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { LandscapeOptions } from '../landscape/options.ts';
import type { Held } from '../../core/held.ts';
import type { Source } from '../landscape/lossSource.ts';

/** A running evaluation. */
export interface SurfaceJob {
  /** Continues until this time of `performance.now()`, or to the end, with at least one question. */
  slice(until: number): Asks<void>;
  /** Returns the landscape once it is complete, otherwise null. */
  result(): LandscapeData | null;
  /** Returns the finest coarser grid that is complete, or null. */
  preview(): LandscapeData | null;
}

/** Begins to evaluate an adaptive landscape. */
export function surfaceJob(
  where: string,
  source: Source<unknown>,
  held: Held,
  options: Pick<LandscapeOptions, 'npoints' | 'directions' | 'center'>,
): SurfaceJob {
  let coarse: LandscapeData | null = null;
  const onPreview = (data: LandscapeData) => void (coarse = data);
  const { draft, hooks, plan } = jobOf(where, source, held, { ...options, adaptive: true, onPreview }, []);
  const asks: Asks<void> | null = plan === undefined ? null : adaptiveSurvey(draft, plan, hooks);
  let question: Question | null = null;
  let isDone = asks === null;
  const take = (turn: IteratorResult<Question, void> | undefined) => {
    isDone = turn?.done ?? true;
    question = turn === undefined || turn.done === true ? null : turn.value;
  };
  take(asks?.next());
  return {
    *slice(until) {
      do {
        if (question === null) return;
        take(asks?.next(yield question));
      } while (performance.now() < until);
    },
    result: () => (isDone ? draft : null),
    preview: () => coarse,
  };
}
