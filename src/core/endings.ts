import type { Mismatch } from './disagreement.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Measured } from './solver.ts';

/** Returns the message of a run that converged at its start. */
export function atStart({ gradientNorm }: Measured, { gtol, gRel }: CompleteSolveOptions): string {
  const tolerance = gRel > 0 ? 'gtol + gRel·‖∇f(p0)‖∞' : `gtol = ${gtol}`;
  return `The start already meets the tolerance: ‖∇f(p0)‖∞ = ${gradientNorm.toExponential(2)} is within ${tolerance}. If the loss or its gradient is that small because of its units, set gtol: 0 and gRel: 1e-6, which is relative to the start.`;
}

/** Returns the termination for values and gradients that contradict each other, and its message. */
export function mismatchEnding({ byValues, byGradients }: Mismatch): ['gradientMismatch', string] {
  const [measured, promised] = [byValues, byGradients].map((change) => change.toExponential(3));
  return [
    'gradientMismatch',
    `The gradient contradicts the values of f: near the end f changes by ${measured} along a line where its gradients predict ${promised}. checkGradient(problem) names the elements that are wrong.`,
  ];
}
