import type { StepOutcome } from '../../core/solver.ts';
import type { Termination } from '../../core/termination.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** A step that failed. */
export type FailedStep = Extract<StepOutcome, { kind: 'failed' }>;

/**
 * Ends a step with the damping of the start: where f has changed, as on mini-batches, the old one means nothing.
 *
 * @param reason - sentence on a step that failed, where it is known; empty otherwise
 */
export function standstill(
  state: LevenbergMarquardtState,
  termination: Termination,
  reason = '',
): FailedStep {
  state.damping = state.first;
  state.radius = state.firstRadius;
  state.byRadius = state.radius > 0;
  state.growth = 2;
  const cause = state.obstacle ? `${state.obstacle} Bounds that keep x away from there may help.` : reason;
  state.obstacle = '';
  return {
    kind: 'failed',
    termination,
    ...(cause !== '' && { cause }),
    ...(reason !== '' && { falls: true }),
  };
}
