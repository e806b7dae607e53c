import { either, integerFrom, oneOf, positive, type Rules } from '../../core/options.ts';
import { gaussian } from '../landscape/random.ts';
import {
  curvatureRules,
  runAt,
  runAtAsync,
  type AtPoint,
  type CurvatureOptions,
  type CurvaturePoint,
} from './curvatureAt.ts';
import { krylovOf, lanczosStep, ritzOf } from '../landscape/lanczos.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';

/** Options of {@link spectralDensity}. */
export interface DensityOptions extends CurvatureOptions {
  /** Number of Lanczos steps for each random vector. @defaultValue `40` */
  steps?: number | undefined;
  /** Number of random vectors. @defaultValue `4` */
  samples?: number | undefined;
  /** Number of points on the axis of eigenvalues. @defaultValue `400` */
  points?: number | undefined;
  /** Width of the Gaussian that represents each node. @defaultValue `'auto'`: a hundredth of the spectrum */
  sigma?: number | 'auto' | undefined;
}

const rules: Rules<DensityOptions> = {
  ...curvatureRules,
  steps: integerFrom(1),
  samples: integerFrom(1),
  points: integerFrom(2),
  sigma: either(positive, oneOf('auto')),
};

/** The distribution of the eigenvalues of a Hessian; `density` draws it. */
export interface SpectralDensity {
  /** Eigenvalues, `[points]`, ascending. */
  readonly x: Float64Array;
  /** Density: fraction of the eigenvalues per unit of x, `[points]`; its integral is 1. */
  readonly y: Float64Array;
  /**
   * The underlying quadrature: a fraction `weights[k]` of the eigenvalues is near `nodes[k]`; the weights sum
   * to 1.
   */
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
  readonly products: number;
  readonly agreement: number;
}

/**
 * Estimates the spectral density of the Hessian by stochastic Lanczos quadrature: for each random start, the
 * Ritz values are the nodes of a Gauss rule, and the squared first components of T's eigenvectors are its
 * weights.
 *
 * @throws RangeError for invalid options; whatever the problem throws
 * @see Ubaru, Chen and Saad (2017), doi:10.1137/16M1104974; Ghorbani, Krishnan and Xiao (2019), arXiv:1901.10159
 * @example
 * ```ts
 * density(spectralDensity(problem, { steps: 30, samples: 10 })).toSVG();
 * ```
 */
export function spectralDensity(problem: Problem, options: DensityOptions = {}): SpectralDensity {
  return runAt('spectralDensity', problem, options, rules, (point) => density(options)(point));
}

/** As {@link spectralDensity}, for an asynchronous problem. */
export function spectralDensityAsync(
  problem: AsyncProblem | Problem,
  options: DensityOptions = {},
): Promise<SpectralDensity> {
  return runAtAsync('spectralDensityAsync', problem, options, rules, (point) => density(options)(point));
}

function density(options: DensityOptions): AtPoint<SpectralDensity> {
  const { steps = 40, samples = 4, points = 400, sigma = 'auto', seed = 0, onProgress } = options;
  return function* ({ hessian }: CurvaturePoint): Asks<SpectralDensity> {
    const { n } = hessian;
    const draw = gaussian(seed);
    const depth = Math.min(steps, n);
    const nodes: number[] = [];
    const weights: number[] = [];
    for (let sample = 0; sample < samples; sample++) {
      const krylov = krylovOf(n, 1, draw);
      for (let step = 0; step < depth; step++) {
        const more = yield* lanczosStep(hessian, krylov, draw);
        onProgress?.(hessian.products, samples * depth);
        // An invariant subspace contains all information from this start.
        if (!more || krylov.rows[step][step + 1] === 0) break;
      }
      const { values, coefficients } = ritzOf(krylov);
      values.forEach((value, row) => {
        nodes.push(value);
        weights.push(coefficients[row * values.length] ** 2 / samples);
      });
    }
    const low = nodes.reduce((least, node) => Math.min(least, node), Infinity);
    const high = nodes.reduce((most, node) => Math.max(most, node), -Infinity);
    const width = sigma === 'auto' ? (high - low || Math.abs(high) || 1) / 100 : sigma;
    const x = Float64Array.from({ length: points }, (_, i) => {
      return low - 4 * width + ((high - low + 8 * width) * i) / (points - 1);
    });
    const y = x.map(
      (at) => nodes.reduce((sum, node, k) => sum + weights[k] * bell((at - node) / width), 0) / width,
    );
    return {
      x,
      y,
      nodes: Float64Array.from(nodes),
      weights: Float64Array.from(weights),
      products: hessian.products,
      agreement: hessian.agreement,
    };
  };
}

const bell = (t: number) => Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
