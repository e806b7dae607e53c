import { callable, checkOptions, integerFrom, type Rules } from '../../../core/options.ts';
import { fault, OnnxError } from '../errors.ts';
import type { Feeds } from './feeds.ts';

/** Options of {@link miniBatches}. */
export interface MiniBatchOptions {
  readonly batchSize: number;
  /** Uniform in [0, 1); a generator with a seed makes runs repeatable. @defaultValue `Math.random` */
  readonly random?: () => number;
}

const rules: Rules<MiniBatchOptions> = { batchSize: integerFrom(1), random: callable };

/**
 * A source of mini-batches for `model.problem`: rows of the data, in an order shuffled anew for each pass. Rows
 * that do not fill a batch are left to the next pass.
 *
 * @param feeds - all data: the samples along the first axis of each
 * @throws RangeError if an option is wrong
 * @throws OnnxError if the numbers of samples differ, or are less than one batch
 *
 * @example
 * ```ts
 * const problem = model.problem(miniBatches({ x, target }, { batchSize: 256 }));
 * await minimizeAsync(problem, adam(), { maxIterations: 1000 });
 * ```
 */
export function miniBatches(feeds: Feeds, options: MiniBatchOptions): () => Feeds {
  checkOptions('miniBatches', options, rules);
  const { batchSize, random = Math.random } = options;
  const entries = Object.entries(feeds);
  const samples = entries[0]?.[1].dims[0] ?? 0;
  const faults = entries
    .filter(([, { dims }]) => dims[0] !== samples || samples < batchSize)
    .map(([name, { dims }]) =>
      fault(
        `feed ${JSON.stringify(name)}: it has ${dims[0] ?? 'no'} samples; all must have as many, and at least ${batchSize}, one batch.`,
      ),
    );
  if (faults.length > 0) throw new OnnxError(faults);
  const order = Int32Array.from({ length: samples }, (_, i) => i);
  let at = samples;
  return () => {
    if (at + batchSize > samples) {
      shuffle(order, random);
      at = 0;
    }
    const rows = order.subarray(at, at + batchSize);
    at += batchSize;
    return Object.fromEntries(
      entries.map(([name, { dims, data }]) => {
        const rest = dims.slice(1);
        const size = rest.reduce((a, b) => a * b, 1);
        return [name, { dims: [batchSize, ...rest], data: gather(data as ArrayLike<number>, rows, size) }];
      }),
    );
  };
}

/** Fisher and Yates's shuffle, in place. */
function shuffle(order: Int32Array, random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

/** Some rows of an array, `[rows.length · size]`, of its own type. */
function gather(data: ArrayLike<number>, rows: Int32Array, size: number): ArrayLike<number> {
  const constructor = data.constructor as new (length: number) => { [i: number]: number; length: number };
  const out = new constructor(rows.length * size);
  for (let k = 0; k < rows.length; k++) {
    for (let i = 0; i < size; i++) out[k * size + i] = data[rows[k] * size + i];
  }
  return out;
}
