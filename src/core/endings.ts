import type { Mismatch } from './disagreement.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Measured } from './solver.ts';

/** Returns the sentence of a success without a step. */
export function atStart({ gradientNorm }: Measured, { gtol, gRel }: CompleteSolveOptions): string {
  const tolerance = gRel > 0 ? 'gtol + gRel·‖∇f(p0)‖∞' : `gtol = ${gtol}`;
  return `The start meets the tolerance already: ‖∇f(p0)‖∞ = ${gradientNorm.toExponential(2)} is within ${tolerance}. Where the loss or its slopes are that small by their units, set gtol: 0 and gRel: 1e-6, which measures against the start.`;
}

/** Returns the ending where values and gradients contradict each other, and its sentence. */
export function mismatchEnding({ byValues, byGradients }: Mismatch): ['gradientMismatch', string] {
  const [measured, promised] = [byValues, byGradients].map((change) => change.toExponential(3));
  return [
    'gradientMismatch',
    `The gradient contradicts the values of f: near the end f changes by ${measured} along a line where its gradients say ${promised}. checkGradient(problem) names the elements that are wrong.`,
  ];
}
