import { checkOptions, integerIn, positive, type Rules } from '../../core/options.ts';
import { connectionRules, requireOptions } from './connection.ts';
import { Dispatcher, type DispatchOptions } from './dispatcher.ts';
import { decode, encode, float64 } from './message.ts';
import { tile, type TileAnswer, type TileHeader } from './serveLandscape.ts';
import type { Executor, GridTask, TileResult } from '../../core/grid.ts';

/** Options of {@link bullmqExecutor}. */
export interface BullmqExecutorOptions extends DispatchOptions {
  /**
   * Approximate number of concurrent jobs on all machines together. The grid is cut into eight times as many tiles.
   *
   * @defaultValue `16`
   */
  parallelism?: number | undefined;
}

const rules: Rules<BullmqExecutorOptions> = {
  ...connectionRules,
  reconnectTime: positive,
  attempts: integerIn(1, 1_000_000),
  parallelism: integerIn(1, 1_000_000),
};

/**
 * Returns an executor that runs `landscapeAsync` on any number of machines, through BullMQ over Redis.
 *
 * Each tile of the grid is a job; workers started by {@link serveLandscape} answer it. If a worker dies, its tile goes to
 * another; finished tiles are kept. On machines with the same arithmetic, values equal those of one process bit for bit.
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

/** Streams answers with their tiles in order of arrival. */
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
