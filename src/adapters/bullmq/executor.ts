import { checkOptions, integerIn, positive, type Rules } from '../../core/options.ts';
import { connectionRules, requireOptions } from './connection.ts';
import { Dispatcher, type DispatchOptions } from './dispatcher.ts';
import { decode, encode, float64 } from './message.ts';
import { tile, type TileAnswer, type TileHeader } from './serveLandscape.ts';
import type { Executor, GridTask, TileResult } from '../../core/grid.ts';

/** Options of {@link bullmqExecutor}. */
export interface BullmqExecutorOptions extends DispatchOptions {
  /**
   * About how many jobs are worked on at once, on all machines together: the grid is cut into eight times as many
   * tiles.
   *
   * @defaultValue `16`
   */
  parallelism?: number;
}

const rules: Rules<BullmqExecutorOptions> = {
  ...connectionRules,
  reconnectTime: positive,
  attempts: integerIn(1, 1_000_000),
  parallelism: integerIn(1, 1_000_000),
};

/**
 * An executor of `landscapeAsync` on any number of machines, through BullMQ over Redis.
 *
 * Tiles of the grid are jobs of a queue; {@link serveLandscape} answers them. A tile whose worker dies is evaluated by
 * another; what has been evaluated is kept. Values are those that one process would find, bit for bit, on machines
 * that compute alike.
 *
 * @throws RangeError, TypeError for wrong options
 * @example
 * ```ts
 * const executor = bullmqExecutor({ connection: 'redis://10.0.0.1:6379', queue: 'digits' });
 * const data = await landscapeAsync(problem, { npoints: 101, executor, checkpoint: 'digits.landscape' });
 * ```
 */
export function bullmqExecutor(options: BullmqExecutorOptions): Executor {
  const where = 'bullmqExecutor';
  requireOptions(where, options, 'connection', 'queue');
  checkOptions(where, options, rules);
  const { parallelism = 16, ...dispatch } = options;
  return {
    parallelism,
    async *run(
      { center, directions, x, y, metrics }: GridTask,
      tiles: readonly Uint32Array[],
      signal?: AbortSignal,
    ): AsyncIterable<TileResult> {
      if (tiles.length === 0) return;
      const dispatcher = await Dispatcher.open(where, dispatch, signal);
      try {
        const message = encode({ metrics } satisfies TileHeader, [center, x, y, ...directions]);
        const parts = tiles.map((cells) => ({ cells: [...cells] }));
        const { answers, withdraw } = dispatcher.ask(tile, 'grid', message, parts);
        try {
          for await (const { cells, answer } of asTheyCome(answers, tiles)) yield resultOf(cells, answer);
        } finally {
          withdraw();
        }
      } finally {
        await dispatcher.close();
      }
    },
  };
}

function resultOf(cells: Uint32Array, answer: Buffer): TileResult {
  const { header, arrays } = decode<TileAnswer>(answer);
  const [loss, z, metrics] = arrays.map(float64);
  return { cells, z, metrics, loss: loss[0], worker: header.worker };
}

/** Answers with their tiles in the order in which they come. */
function asTheyCome(answers: readonly Promise<Buffer>[], tiles: readonly Uint32Array[]) {
  return new ReadableStream<{ cells: Uint32Array; answer: Buffer }>({
    start(controller) {
      const queued = answers.map(async (answer, k) =>
        controller.enqueue({ cells: tiles[k], answer: await answer }),
      );
      Promise.all(queued).then(
        () => controller.close(),
        (error) => controller.error(error),
      );
    },
  });
}
