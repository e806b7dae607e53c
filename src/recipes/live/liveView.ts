import { evaluate, type Asks } from '../../core/question.ts';
import { firstNonFinite } from '../../core/vector.ts';
import { contourf } from '../plots/map.ts';
import { onPlane } from '../grid/trajectory.ts';
import { distanceOf, livePath, planeOfPath } from './livePath.ts';
import { surfaceJob, type SurfaceJob } from './surfaceJob.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { Source, Subject } from '../landscape/lossSource.ts';
import type { Plot } from '../plots/plot.ts';
import type { LiveOptions } from './options.ts';

/** The figure of a training run: its path, its surface, and the surface being evaluated. */
export interface LiveView {
  /** Adds a point of the run. */
  add(x: Float64Array, loss: number): void;
  /** Returns the next task: `'picture'` if a figure is due, `'work'` if there is time for a slice of the surface. */
  turn(): 'rest' | 'work' | 'picture';
  /** Evaluates a slice of the surface. */
  work(): Asks<void>;
  /** Adds a point whose loss is not known yet, and works. */
  visit(x: Float64Array): Asks<void>;
  /** Draws a figure, if there is a surface. */
  picture(isLast: boolean): void;
  /** Evaluates a slice of the surface around the whole path. */
  lastWork(): Asks<void>;
  /** True once that surface is complete, or if there will be none. */
  isComplete(): boolean;
  /** Gives the event loop a turn if it has not had one for a while. */
  breathe(): Promise<void>;
  plot(): Plot | null;
  readonly updates: number;
}

/** Milliseconds of one slice, and between two turns of the event loop. */
const sliceTime = 12;
const breathTime = 30;
/** Refinement of the figures, coarse because each is shown only for a moment. */
const upsample = 2;
/** A surface is replaced once the path has moved this fraction of its width from its center. */
const moved = 0.05;

/** Resolves in a later task, after events and repaints. */
export const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Returns the source without `valuesAt`: preparing for many points can take seconds, and a slice has time for few. */
function pointByPoint(source: Source<unknown>, { center }: Subject): Source<unknown> {
  if (typeof source === 'function') return source;
  return { p0: center, fg: (x, gradient) => source.fg(x, gradient) };
}

export function liveView(
  where: string,
  source: Source<unknown>,
  subject: Subject,
  {
    npoints = 25,
    interval = 200,
    share = 0.5,
    draw = contourf,
    name = 'training',
    directions,
    center,
  }: LiveOptions,
  show: (plot: Plot, isLast: boolean) => void,
): LiveView {
  const path = livePath(subject.center.length);
  const held = { params: subject.params, values: subject.center };
  const single = pointByPoint(source, subject);
  let surface: LandscapeData | null = null;
  let isWhole = false;
  let job: SurfaceJob | null = null;
  let [started, spent, lastDrawn, lastBreath] = [NaN, 0, -Infinity, performance.now()];
  let updates = 0;
  let isComplete = false;
  let lastTurn: 'work' | 'picture' = 'work';

  /** Begins the next surface, if the path has moved far enough. */
  function begin(least: number): void {
    if (job !== null) return;
    const points = path.points();
    if (directions !== undefined) {
      if (!isWhole && points.length > 0) {
        job = surfaceJob(where, single, held, { npoints, directions, center: center ?? subject.center });
      }
      return;
    }
    const newest = points[points.length - 1];
    if (surface !== null && isWhole) {
      const width = surface.x[surface.x.length - 1] - surface.x[0];
      if (!(distanceOf(newest, surface.plane.center) > least * width)) return;
    }
    const plane = planeOfPath(points);
    if (plane !== null) job = surfaceJob(where, single, held, { npoints, directions: plane });
  }

  function* slice(): Asks<void> {
    if (job === null) return;
    try {
      yield* job.slice(performance.now() + sliceTime);
    } catch (error) {
      job = null;
      throw error;
    }
    const result = job.result();
    // A coarse surface is better than none.
    if (result === null) {
      if (!isWhole) surface = job.preview();
      return;
    }
    surface = result;
    isWhole = true;
    job = null;
  }

  function plot(): Plot | null {
    if (surface === null) return null;
    const onSurface = onPlane(surface.plane, path.points(), path.losses());
    return draw(surface, { paths: [{ name, path: onSurface }], upsample });
  }

  function picture(isLast: boolean): void {
    const start = performance.now();
    const drawn = plot();
    if (drawn === null) return;
    show(drawn, isLast);
    updates++;
    lastDrawn = performance.now();
    spent += lastDrawn - start;
  }

  /** Measures the time of some work. */
  function* timed(work: () => Asks<void>): Asks<void> {
    const start = performance.now();
    yield* work();
    spent += performance.now() - start;
  }

  function* work(): Asks<void> {
    begin(moved);
    yield* slice();
  }

  const add = (x: Float64Array, loss: number) => {
    if (Number.isNaN(started)) started = performance.now();
    isComplete = false;
    // A run that has diverged leaves the figure unchanged.
    if (firstNonFinite(x) < 0) path.add(x, loss);
  };
  return {
    add,
    turn() {
      if (spent > share * (performance.now() - started)) return 'rest';
      const isPictureDue = surface !== null && performance.now() - lastDrawn >= interval;
      lastTurn = isPictureDue && lastTurn === 'work' ? 'picture' : 'work';
      return lastTurn;
    },
    work: () => timed(work),
    visit: (x) =>
      timed(function* () {
        add(x, yield evaluate(x, null));
        yield* work();
      }),
    picture,
    *lastWork() {
      if (path.points().length > 0) begin(0);
      yield* slice();
      // The surface being evaluated may belong to an earlier part of the path.
      if (path.points().length > 0) begin(0);
      isComplete = job === null;
    },
    isComplete: () => isComplete,
    async breathe() {
      if (performance.now() - lastBreath < breathTime) return;
      await nextTask();
      lastBreath = performance.now();
    },
    plot,
    get updates() {
      return updates;
    },
  };
}
