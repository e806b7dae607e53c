/**
 * The contract between a landscape and an executor that computes its grid elsewhere, on a pool of threads or on other
 * machines.
 *
 * @module
 */

/** A grid in a plane of parameters; the point of cell (i, j) is (center + y[j]·dy) + x[i]·dx. */
export interface GridTask {
  readonly center: Float64Array;
  /** One or two, `[n]` each. */
  readonly directions: readonly Float64Array[];
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Names of the metrics, in the order of their values. */
  readonly metrics: readonly string[];
}

/** Values of some cells. */
export interface TileResult {
  /** Cell numbers, `j * nx + i`. */
  readonly cells: Uint32Array;
  /** Loss of each cell. */
  readonly z: Float64Array;
  /** Metrics of each cell: `metrics[k * cells.length + c]`. */
  readonly metrics: Float64Array;
  /** Loss at the center, as computed by the worker that evaluated the cells. */
  readonly loss: number;
  /** Name of that worker, for messages. */
  readonly worker?: string;
}

/** Evaluates tiles of a grid, on a pool of workers or on other machines. */
export interface Executor {
  /** Number of tiles that it can work on at once. */
  readonly parallelism: number;
  /**
   * Evaluates all tiles in any order and yields each when it is done.
   *
   * The point of cell (i, j) is (center + y[j]·dy) + x[i]·dx, summed in this order, so that values are the same on
   * every worker. Once `signal` is aborted, it stops and throws the reason.
   */
  run(task: GridTask, tiles: readonly Uint32Array[], signal?: AbortSignal): AsyncIterable<TileResult>;
}
