/** Entry of a trace: the state after `iteration` iterations, where 0 is the start. */
export interface TraceEntry {
  readonly iteration: number;
  readonly f: number;
  /** ‖∇f‖∞. */
  readonly gradientNorm: number;
  /** Step length along the search direction; 0 at the start. */
  readonly alpha: number;
  /** Evaluations so far. */
  readonly evaluations: number;
  /** Seconds so far. */
  readonly elapsed: number;
}

/** Heading of a printed trace. */
export const traceHeading = ' Iteration   Function value   Gradient norm     Step  Evaluations   Seconds';

/** Returns an entry as a line under {@link traceHeading}. */
export function traceLine({ iteration, f, gradientNorm, alpha, evaluations, elapsed }: TraceEntry): string {
  return [
    String(iteration).padStart(10),
    f.toExponential(6).padStart(16),
    gradientNorm.toExponential(3).padStart(15),
    alpha.toPrecision(3).padStart(8),
    String(evaluations).padStart(12),
    elapsed.toFixed(2).padStart(9),
  ].join(' ');
}
