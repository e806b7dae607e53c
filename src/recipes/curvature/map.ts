import { checkOptions, integerFrom, type Rules } from '../../core/options.ts';
import { landscapeAsyncFor, landscapeFor } from '../landscape/landscape.ts';
import { landscapeRules, type LandscapeOptions } from '../landscape/options.ts';
import { topEigenpairs, topEigenpairsAsync, type EigenOptions, type Eigenpairs } from './eigenpairs.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { LandscapeData } from '../grid/data.ts';

/** Options of {@link curvatureMap}. */
export interface CurvatureMapOptions extends Omit<LandscapeOptions, 'metrics'> {
  /** Maximum number of products at each point. @defaultValue `15` */
  maxProducts?: number | undefined;
}

const { metrics: _metrics, ...shared } = landscapeRules;
const rules: Rules<CurvatureMapOptions> = { ...shared, maxProducts: integerFrom(1) };

/**
 * Computes a landscape with the extreme eigenvalues of the Hessian at each point, as the metrics `lambdaMax`,
 * `lambdaMin` and `ratio` = |λmin/λmax|. Where the ratio is small, the loss is close to convex, and its
 * picture in a plane can be trusted. The metric `error` bounds the errors of both; a `lambdaMin` smaller than
 * that in size may have the other sign.
 *
 * Each point takes a separate Lanczos process; `npoints` is 15 by default.
 *
 * @throws RangeError for invalid options; whatever the problem throws
 * @see Li et al. (2018), section 6, arXiv:1712.09913
 * @example
 * ```ts
 * heatmap(curvatureMap(problem, { npoints: 11 }), { metric: 'ratio', zlabel: '|λmin / λmax|' }).toSVG();
 * ```
 */
export function curvatureMap(problem: Problem, options: CurvatureMapOptions = {}): LandscapeData {
  checkOptions('curvatureMap', options, rules);
  const { evaluation, eigen } = parted(options);
  let pairs: Eigenpairs | undefined;
  return landscapeFor('curvatureMap', problem, {
    ...evaluation,
    metrics: {
      lambdaMax: (x) => (pairs = topEigenpairs(problem, { ...eigen, center: x })).values[0],
      lambdaMin: () => pairs?.bottom.values[0] ?? NaN,
      ratio: () => ratioOf(pairs),
      error: () => errorOf(pairs),
    },
  });
}

/** As {@link curvatureMap}, for an asynchronous problem. */
export function curvatureMapAsync(
  problem: AsyncProblem | Problem,
  options: CurvatureMapOptions = {},
): Promise<LandscapeData> {
  checkOptions('curvatureMapAsync', options, rules);
  const { evaluation, eigen } = parted(options);
  let pairs: Eigenpairs | undefined;
  return landscapeAsyncFor('curvatureMapAsync', problem, {
    ...evaluation,
    metrics: {
      lambdaMax: async (x) => (pairs = await topEigenpairsAsync(problem, { ...eigen, center: x })).values[0],
      lambdaMin: () => pairs?.bottom.values[0] ?? NaN,
      ratio: () => ratioOf(pairs),
      error: () => errorOf(pairs),
    },
  });
}

function parted({ maxProducts = 15, ...evaluation }: CurvatureMapOptions) {
  const { seed, signal } = evaluation;
  const eigen: EigenOptions = {
    maxProducts,
    tolerance: 0.01,
    ...(seed !== undefined && { seed }),
    ...(signal !== undefined && { signal }),
  };
  return { evaluation: { npoints: 15, ...evaluation }, eigen };
}

function ratioOf(pairs: Eigenpairs | undefined): number {
  return pairs === undefined ? NaN : Math.abs(pairs.bottom.values[0] / pairs.values[0]);
}

/** The larger error of both eigenvalues. */
function errorOf(pairs: Eigenpairs | undefined): number {
  return pairs === undefined ? NaN : Math.max(pairs.errors[0], pairs.bottom.errors[0]);
}
