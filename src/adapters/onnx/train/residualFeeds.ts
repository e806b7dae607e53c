import { fault, OnnxError } from '../ir/errors.ts';
import type { ResidualGraphs } from './residualGraphs.ts';

/**
 * Refuses a model that draws random numbers.
 *
 * @throws OnnxError if it does
 */
export function refuseNoise({ differentiated }: ResidualGraphs): void {
  const [random] = differentiated.noise;
  if (random === undefined) return;
  throw new OnnxError([
    fault(
      `leastSquares: the model draws random numbers (${random.name}), but residuals must not change between evaluations; use model.problem(feeds), which draws them once.`,
    ),
  ]);
}
