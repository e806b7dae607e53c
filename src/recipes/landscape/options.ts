import {
  limits,
  abortSignal,
  callable,
  integerFrom,
  numberBetween,
  oneOf,
  string,
  type Rules,
} from '../../core/options.ts';
import { adaptiveRule, type AdaptiveOptions, type AdaptiveScale } from './adaptive.ts';
import { normalizations, type Normalize } from './directions.ts';
import type { TensorRole } from '../../core/layout.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { DirectionSpec } from './planes.ts';
import type { LandscapeProgress } from './progress.ts';
import type { RoleOverride } from './roles.ts';
import type { Metrics } from './lossSource.ts';

/** Options of {@link landscape}: its plane and grid, and its evaluation. */
export interface LandscapeOptions {
  /** 2, or 1 for the loss along a line. @defaultValue `2` */
  dimensions?: 1 | 2 | undefined;
  /**
   * Number of points along each axis, or `[nx, ny]`. It is increased if necessary to put the center on the
   * grid: an even number becomes odd.
   *
   * @defaultValue `51`
   */
  npoints?: number | readonly [number, number] | undefined;
  /**
   * Extent of the axes of random directions, as a fraction of ‖p‖ (of each filter's norm if normalized by
   * filter): coordinates run from −lnorm to lnorm.
   *
   * @defaultValue `1`
   */
  lnorm?: number | undefined;
  /** Seed of the random directions. @defaultValue `0` */
  seed?: number | undefined;
  /** Normalization of random directions. @defaultValue `'global'` */
  normalize?: Normalize | undefined;
  /** Kinds of tensors that random directions do not move, such as `['bias', 'norm']`. @defaultValue `[]` */
  ignore?: readonly TensorRole['kind'][] | undefined;
  /** Roles of tensors that the adapter does not know. */
  roles?: RoleOverride | undefined;
  /**
   * Instead of random directions: one or two vectors, `[n]` each, or a plane from `between`, `pcaPlane` or
   * `eigenPlane`.
   *
   * @defaultValue random
   */
  directions?: DirectionSpec | undefined;
  /**
   * `'fixed'` keeps the moving statistics of batch normalization the same at all points, even between models
   * that have different ones.
   *
   * @defaultValue an error between models, if the loss may read statistics that are not among the parameters
   */
  statistics?: 'fixed' | undefined;
  /** The center, `[n]`. @defaultValue the current parameters */
  center?: Float64Array | undefined;
  /** Range of the first coordinate. @defaultValue `[-lnorm, lnorm]`, or that of `directions` */
  xrange?: readonly [number, number] | undefined;
  /** Range of the second coordinate. @defaultValue as `xrange` */
  yrange?: readonly [number, number] | undefined;
  /**
   * Evaluates coarse points first, and finer ones only where interpolation predicted the values badly; the
   * others are interpolated and marked 2 in `done`. It evaluates 7 to 20 % of 65 × 65 points and about a
   * quarter of 25 × 25, plus all points whose prediction is not finite. The figure usually agrees to a
   * quarter of a color band; the error may reach nearly a whole band at narrow, deep features, such as the
   * logarithm of a loss around its minimum. `adaptive` of the result estimates the error, and `{ tolerance, budget }`
   * requests another accuracy. Pass the `zscale` of the figure; `true` is `'auto'`. Features narrower than four points
   * of a grid of 65 may be missed.
   *
   * @defaultValue false
   */
  adaptive?: boolean | AdaptiveScale | AdaptiveOptions | undefined;
  /**
   * Further values to record at each point. Each function is called with θ, which the parameters also hold.
   */
  metrics?: Metrics | undefined;
  /** Called at most ten times a second, and at the end. */
  onProgress?: ((progress: LandscapeProgress) => void) | undefined;
  /**
   * Evaluates coarse points first, and is called with each coarser grid when it is complete: every 16th, 8th,
   * 4th, 2nd point, then all.
   */
  onPreview?: ((data: LandscapeData) => void) | undefined;
  /**
   * Once aborted, its reason is thrown. Timers and clicks can abort only `landscapeAsync`; `landscape` is synchronous, so only
   * its callbacks can.
   */
  signal?: AbortSignal | undefined;
  /**
   * Path of a file that stores the evaluated points: written about every second and whenever the evaluation
   * ends. If it exists, only missing points are evaluated.
   */
  checkpoint?: string | undefined;
  /**
   * Evaluates only part i of n, `'i/n'`, where i counts from 1; `mergeLandscapes` joins the parts.
   *
   * @defaultValue `'1/1'`
   */
  shard?: string | undefined;
}

const points = integerFrom(2);
const isCount = (n: unknown) => points.accepts(n) && n !== Infinity;
const kinds: readonly TensorRole['kind'][] = ['weight', 'bias', 'norm', 'embedding', 'slope', 'other'];
const kind = oneOf(...kinds);

export const landscapeRules: Rules<LandscapeOptions> = {
  dimensions: { allowed: '1 or 2', accepts: (v) => v === 1 || v === 2 },
  npoints: {
    allowed: 'a whole number ≥ 2, or a pair [nx, ny] of such',
    accepts: (v) => (Array.isArray(v) ? v.length === 2 && v.every(isCount) : isCount(v)),
  },
  lnorm: numberBetween(0, Infinity),
  seed: { allowed: 'a finite number', accepts: (v) => typeof v === 'number' && Number.isFinite(v) },
  normalize: oneOf(...normalizations),
  ignore: {
    allowed: `an array of ${kind.allowed}`,
    accepts: (v) => Array.isArray(v) && v.every((word) => kind.accepts(word)),
  },
  roles: callable,
  directions: {
    allowed: 'one or two Float64Arrays, or a plane from between, pcaPlane or eigenPlane',
    accepts: (v) => {
      const list: unknown = Array.isArray(v)
        ? v
        : typeof v === 'object' && v !== null && 'directions' in v
          ? v.directions
          : null;
      return (
        Array.isArray(list) &&
        (list.length === 1 || list.length === 2) &&
        list.every((d) => d instanceof Float64Array)
      );
    },
  },
  statistics: oneOf('fixed'),
  center: { allowed: 'a Float64Array', accepts: (v) => v instanceof Float64Array },
  xrange: limits,
  yrange: limits,
  adaptive: adaptiveRule,
  metrics: {
    allowed: 'an object of functions',
    accepts: (v) =>
      typeof v === 'object' && v !== null && Object.values(v).every((f) => typeof f === 'function'),
  },
  onProgress: callable,
  onPreview: callable,
  signal: abortSignal,
  checkpoint: string,
  shard: {
    allowed: "'i/n' with 1 ≤ i ≤ n, such as '1/4'",
    accepts: (v) => {
      const parts = typeof v === 'string' ? /^(\d+)\/(\d+)$/.exec(v) : null;
      return parts !== null && Number(parts[1]) >= 1 && Number(parts[1]) <= Number(parts[2]);
    },
  },
};
