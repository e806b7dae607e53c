import { show } from '../../../core/options.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import type { Feeds } from './feeds.ts';
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

const isSize = (size: unknown): boolean => Number.isInteger(size) && Number(size) >= 0;

/**
 * Checks that all feeds have sizes: the graphs of residuals are built for these.
 *
 * @throws OnnxError naming every feed that has none
 */
export function checkForm(feeds: Feeds): void {
  if (typeof feeds !== 'object' || feeds === null) {
    throw new OnnxError([
      fault(`leastSquares: feeds must be an object of tensors by input name; got ${show(feeds)}.`),
    ]);
  }
  const faults = Object.entries(feeds).flatMap(([name, feed]) => {
    const isTensor = feed !== null && typeof feed === 'object' && Array.isArray(feed.dims) && feed.data;
    if (feed === undefined || (isTensor && feed.dims.every(isSize))) return [];
    const got = isTensor ? `dims [${feed.dims.join(', ')}]` : show(feed);
    return [
      fault(
        `leastSquares: feed ${JSON.stringify(name)}: must be a tensor, or { data, dims } with its sizes, whole numbers ≥ 0; got ${got}.`,
      ),
    ];
  });
  if (faults.length > 0) throw new OnnxError(faults);
}
