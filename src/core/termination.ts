/** Verdict of a termination on the point returned. */
export type Outcome = 'converged' | 'stopped' | 'failed';

interface TerminationText {
  readonly outcome: Outcome;
  readonly sentence: string;
}

/** Reasons why a solve ends, each with its outcome and the sentence shown to people. */
export const terminations = {
  gradientTolerance: {
    outcome: 'converged',
    sentence: 'The gradient norm fell below its tolerance.',
  },
  functionTolerance: {
    outcome: 'converged',
    sentence: 'The change of f stayed below ftol for two iterations.',
  },
  stepTolerance: {
    outcome: 'converged',
    sentence: 'The change of x stayed below xtol for two iterations.',
  },
  precisionFloor: {
    outcome: 'stopped',
    sentence:
      'Neither f nor its gradient improves further: this is as far as the precision of f allows. A gradient whose errors change f by less than its rounding would end here, too.',
  },
  maxIterations: {
    outcome: 'stopped',
    sentence: 'The iteration limit was reached; raise maxIterations to go on.',
  },
  maxEvaluations: {
    outcome: 'stopped',
    sentence: 'The evaluation limit was reached; raise maxEvaluations to go on.',
  },
  maxProducts: {
    outcome: 'stopped',
    sentence: 'The limit of products was reached; raise maxProducts to go on.',
  },
  maxTime: { outcome: 'stopped', sentence: 'The time limit was reached; raise maxTime to go on.' },
  validation: { outcome: 'stopped', sentence: 'The validation loss no longer improves.' },
  callback: { outcome: 'stopped', sentence: 'The callback asked to stop.' },
  lineSearchFailed: {
    outcome: 'failed',
    sentence:
      'No acceptable step was found, not even along the negative gradient: f may be too noisy or not smooth here.',
  },
  gradientMismatch: {
    outcome: 'failed',
    sentence:
      'The gradient contradicts the values of f: checkGradient(problem) names the elements that are wrong.',
  },
  nonFinite: {
    outcome: 'failed',
    sentence:
      'f or its gradient became NaN or infinite; the best finite point is returned. A smaller step may help.',
  },
  unbounded: { outcome: 'failed', sentence: 'f falls without bound: it has no minimum.' },
} as const satisfies Record<string, TerminationText>;

/** Reason why a solve ended: one of the keys of {@link terminations}. */
export type Termination = keyof typeof terminations;
