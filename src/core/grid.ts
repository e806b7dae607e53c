/**
 * The contract between who wants a grid of values and who computes them elsewhere: an executor, on a pool of threads
 * or on other machines.
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
  /** Names of the metrics, in the order in which their values are wanted. */
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
  /** The loss at the center, as the one who evaluated the cells has it. */
  readonly loss: number;
  /** Name of the one who evaluated the cells, for messages. */
  readonly worker?: string;
}

/** Evaluates tiles of a grid: on a pool of workers, on other machines, as you like. */
export interface Executor {
  /** Number of tiles it can work on at once. */
  readonly parallelism: number;
  /**
   * Evaluates all tiles, in any order, and yields each when it is done.
   *
   * The point of cell (i, j) is (center + y[j]·dy) + x[i]·dx, summed in this order, so that values do not depend on
   * who evaluates them. Once `signal` is aborted, it stops and throws the reason.
   */
  run(task: GridTask, tiles: readonly Uint32Array[], signal?: AbortSignal): AsyncIterable<TileResult>;
}
