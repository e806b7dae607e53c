/**
 * Prepares the evaluation of a landscape: its plane, its grid, the order of the points, checkpoints and progress.
 *
 * @module
 */
import { checkOptions } from '../../core/options.ts';
import { putBack, type Held } from '../../core/held.ts';
import { checkLength } from '../../core/paramSet.ts';
import { errorAfter } from '../../core/putBack.ts';
import { firstNonFinite, norm2 } from '../../core/vector.ts';
import { adaptiveGoal, adaptivePlan, type AdaptivePlan } from './adaptive.ts';
import { gridAxis } from '../grid/axis.ts';
import { openCheckpoint, type Checkpoint } from '../grid/checkpoint.ts';
import { emptyLandscape } from '../grid/data.ts';
import { randomDirections, type Normalize } from './directions.ts';
import { landscapeRules, type LandscapeOptions } from './options.ts';
import { progressMeter } from './progress.ts';
import { checkStatistics } from './movingStatistics.ts';
import { subjectOf, type Source, type Subject } from './lossSource.ts';
import { coarseFirst, partOf, rowByRow, subgrid, type Draft, type SurveyHooks } from '../grid/gridWalk.ts';
import { areParallel, type PlaneSpec } from './planes.ts';

/** Options of a landscape; only the names of its metrics matter here. */
type JobOptions = Omit<LandscapeOptions, 'metrics'> & { metrics?: object | undefined };

/** Everything that an evaluation needs, prepared before the first point. */
export interface Job {
  readonly where: string;
  readonly subject: Subject;
  readonly held: Held;
  readonly draft: Draft;
  readonly cells: Uint32Array;
  readonly hooks: SurveyHooks;
  readonly checkpoint: Checkpoint | undefined;
  /** Plan of an adaptive grid; undefined for a full one. */
  readonly plan: AdaptivePlan | undefined;
}

/**
 * Prepares an evaluation.
 *
 * @throws RangeError, TypeError for whatever is wrong with the options, the parameters or the checkpoint
 */
export function jobOf(
  where: string,
  source: Source<unknown>,
  held: Held,
  options: JobOptions,
  metricNames: readonly string[],
): Job {
  checkOptions<JobOptions>(where, options, landscapeRules);
  options.signal?.throwIfAborted();
  const plane = planeSpec(options);
  const subject = subjectOf(where, source, held, options.center ?? plane?.center);
  // A problem depends only on its parameters; a loss without arguments may read other state of its model.
  if (plane?.throughModels === true && typeof source === 'function' && options.statistics === undefined) {
    checkStatistics(where, subject.layout);
  }
  const draft = { ...emptyDraft(where, subject, options, plane, metricNames), loss: NaN };
  const checkpoint = options.checkpoint === undefined ? undefined : openCheckpoint(options.checkpoint, draft);
  const all = options.onPreview === undefined ? rowByRow(draft.z.length) : coarseFirst(draft);
  const [part, parts] = (options.shard ?? '1/1').split('/').map(Number);
  const cells = partOf(all, part, parts);
  const atOnce =
    'valuesAt' in source && source.valuesAt !== undefined
      ? pointsAtOnce(subject.center.length, metricNames.length)
      : 1;
  const plan = planOf(where, draft, options);
  const hooks = hooksOf(draft, cells, atOnce, options, checkpoint, plan);
  return { where, subject, held, draft, cells, hooks, checkpoint, plan };
}

function planOf(
  where: string,
  draft: Draft,
  { adaptive = false, shard }: JobOptions,
): AdaptivePlan | undefined {
  if (adaptive === false) return undefined;
  if (shard !== undefined) {
    throw new RangeError(
      `${where}: adaptive: needs the values of the whole grid and cannot be combined with shard '${shard}'; use an executor.`,
    );
  }
  return adaptivePlan(draft, adaptiveGoal(where, adaptive));
}

/** Puts the parameters back, and writes the last checkpoint. */
export function endJob({ held, checkpoint }: Job): void {
  try {
    putBack(held);
  } catch (error) {
    throw checkpointedAfter(error, checkpoint);
  }
  checkpoint?.ended();
}

/** Ends a job that has failed; returns the error to throw. */
export const failedJob = (error: unknown, { held, checkpoint }: Job): unknown =>
  checkpointedAfter(
    errorAfter(error, () => putBack(held)),
    checkpoint,
  );

const checkpointedAfter = (error: unknown, checkpoint: Checkpoint | undefined): unknown =>
  errorAfter(error, () => checkpoint?.ended(), 'The last points could not be saved');

function planeSpec({ directions }: JobOptions): PlaneSpec | undefined {
  if (directions === undefined) return undefined;
  return isVectors(directions) ? { directions } : directions;
}

const isVectors = (directions: object): directions is readonly Float64Array[] => Array.isArray(directions);

/** Returns the plane and the grid, without values. */
function emptyDraft(
  where: string,
  { center, layout }: Subject,
  options: JobOptions,
  plane: PlaneSpec | undefined,
  metricNames: readonly string[],
): Omit<Draft, 'loss'> {
  const { npoints = 51, lnorm = 1, seed = 0, normalize = 'global', ignore = [], roles } = options;
  const dimensions = options.dimensions ?? (plane?.directions.length === 1 ? 1 : 2);
  const directions =
    plane === undefined
      ? randomDirections(center, layout, { dimensions, seed, normalize, ignore, roles })
      : givenDirections(where, plane.directions, center.length, dimensions);
  const [nx, ny] = typeof npoints === 'number' ? [npoints, npoints] : npoints;
  const reach: [number, number] = [-lnorm, lnorm];
  const xrange = options.xrange ?? plane?.xrange ?? reach;
  const yrange = options.yrange ?? plane?.yrange ?? options.xrange ?? reach;
  const anchors = plane?.anchors ?? [0];
  const x = gridAxis(...xrange, nx, anchors);
  const y = dimensions === 1 ? new Float64Array(1) : gridAxis(...yrange, ny, anchors);
  const labels = plane?.labels ?? (plane === undefined ? randomLabels[normalize] : (['x', 'y'] as const));
  return emptyLandscape({ center, directions, labels }, x, y, metricNames);
}

const inUnitsOf = (unit: string) => [`x / ${unit}`, `y / ${unit}`] as const;

/** Units of the coordinates of random directions. */
const randomLabels: Readonly<Record<Normalize, readonly [string, string]>> = {
  global: inUnitsOf('‖p‖'),
  filter: inUnitsOf('filter norms'),
  layer: inUnitsOf('layer norms'),
  weight: inUnitsOf('|p|'),
  dfilter: ['x', 'y'],
  dlayer: ['x', 'y'],
  none: ['x', 'y'],
};

function givenDirections(
  where: string,
  given: readonly Float64Array[],
  n: number,
  dimensions: 1 | 2,
): Float64Array[] {
  if (given.length < dimensions) {
    throw new RangeError(
      `${where}: directions has ${given.length} for ${dimensions} dimensions; give two, or dimensions: 1.`,
    );
  }
  const directions = given.slice(0, dimensions).map((d, k) => {
    checkLength(`${where}: directions[${k}]`, d, n);
    const bad = firstNonFinite(d);
    if (bad >= 0) throw new RangeError(`${where}: directions[${k}][${bad}] is ${d[bad]}; it must be finite.`);
    if (norm2(d) === 0)
      throw new RangeError(`${where}: directions[${k}] is zero; it must have a nonzero element.`);
    return Float64Array.from(d);
  });
  if (directions.length === 2 && areParallel(directions[0], directions[1])) {
    throw new RangeError(
      `${where}: directions are parallel and do not span a plane; give other ones, or dimensions: 1.`,
    );
  }
  return directions;
}

/** Points evaluated at once: up to 64, in at most 32 MiB of memory; fewer with metrics, which are evaluated one by one. */
const pointsAtOnce = (n: number, metrics: number) =>
  Math.max(1, Math.min(metrics > 0 ? 16 : 64, Math.floor(4_194_304 / n)));

function hooksOf(
  draft: Draft,
  cells: Uint32Array,
  atOnce: number,
  { signal, onProgress, onPreview }: JobOptions,
  checkpoint: Checkpoint | undefined,
  plan: AdaptivePlan | undefined,
): SurveyHooks {
  let done = cells.reduce((sum, cell) => sum + draft.done[cell], 0);
  const progress = progressMeter(cells.length, done, onProgress);
  return {
    metricValues: new Float64Array(atOnce * Object.keys(draft.metrics).length),
    signal,
    atOnce,
    started: () => checkpoint?.started(),
    evaluated() {
      done++;
      checkpoint?.evaluated();
      progress(done);
    },
    levelDone: onPreview && ((stride) => onPreview(subgrid(plan?.filled() ?? draft, stride))),
    finished: () => progress(done, done),
  };
}
