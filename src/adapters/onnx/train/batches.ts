import { sizeOf } from '../../../core/layout.ts';
import { callable, checkOptions, integerFrom, show, type Rules } from '../../../core/options.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { checkForm, type Feed, type Feeds } from './feeds.ts';

/** Returns the next mini-batch, or a promise of it. */
export interface BatchSource {
  (): Feeds | Promise<Feeds>;
  /**
   * Returns the samples that the last batch shares with the previous one; undefined if there are none, as for
   * the first. A problem with such batches has `overlap`, from which `lbfgs({ pairs: 'overlap' })` learns.
   */
  readonly shared?: () => Feeds | undefined;
}

/** Options of {@link miniBatches}. */
export interface MiniBatchOptions {
  readonly batchSize: number;
  /**
   * Number of samples of the previous batch with which each batch begins; less than `batchSize`.
   *
   * @defaultValue 0, and the batches have no `shared`
   */
  readonly overlap?: number | undefined;
  /**
   * Returns uniform random numbers in [0, 1); pass a seeded generator for reproducible runs.
   *
   * @defaultValue `Math.random`
   */
  readonly random?: (() => number) | undefined;
}

const rules: Rules<MiniBatchOptions> = {
  batchSize: integerFrom(1),
  overlap: integerFrom(0),
  random: callable,
};

/**
 * Creates a source of mini-batches for `model.problem`: rows of the data, in an order that is reshuffled for
 * each pass. Rows that do not fill a batch are left for the next pass.
 *
 * @param feeds - all data, with the samples along the first axis of each feed
 * @throws RangeError if an option is wrong
 * @throws OnnxError if the numbers of samples differ, or are less than one batch
 *
 * @example
 * ```ts
 * const problem = model.problem(miniBatches({ x, target }, { batchSize: 256 }));
 * await minimizeAsync(problem, adam(), { maxIterations: 1000 });
 * ```
 */
export function miniBatches(feeds: Feeds, options: MiniBatchOptions): (() => Feeds) & BatchSource {
  checkOptions('miniBatches', options, rules);
  if (options.batchSize === undefined)
    throw new RangeError(`miniBatches: batchSize: must be ${rules.batchSize.allowed}, got undefined.`);
  checkForm('miniBatches', feeds);
  const { batchSize, overlap = 0, random = Math.random } = options;
  if (overlap >= batchSize) {
    throw new RangeError(
      `miniBatches: overlap: must be less than batchSize, ${batchSize}, or no batch would have new samples; got ${overlap}.`,
    );
  }
  const entries = Object.entries(feeds).filter(([, feed]) => feed !== undefined);
  const [first] = entries;
  const samples = first?.[1].dims[0] ?? 0;
  const faults = entries
    .filter(([, { dims }]) => dims[0] !== samples || samples < batchSize)
    .map(([name, { dims }]) => {
      const unlike = dims[0] === samples ? '' : `, ${JSON.stringify(first[0])} has ${samples}`;
      return fault(
        `miniBatches: feed ${JSON.stringify(name)}: it has ${dims[0] ?? 'no'} samples${unlike}; all feeds must have the same number, at least one batch of ${batchSize}.`,
      );
    });
  if (faults.length > 0) throw new OnnxError(faults);

  const order = Int32Array.from({ length: samples }, (_, i) => i);
  let at = samples;
  let batch = new Int32Array(0);
  /** Number of samples shared with the end of the previous batch. */
  let kept = 0;
  const next = () => {
    const last = batch.subarray(Math.max(0, batch.length - overlap));
    kept = last.length;
    if (at + batchSize - kept > samples) {
      shuffle(order, random);
      putLast(order, last);
      at = 0;
    }
    const now = new Int32Array(batchSize);
    now.set(last);
    now.set(order.subarray(at, at + batchSize - kept), kept);
    at += batchSize - kept;
    batch = now;
    return rowsOf(entries, batch);
  };
  const shared = () => (kept === 0 ? undefined : rowsOf(entries, batch.subarray(0, kept)));
  return overlap === 0 ? next : Object.assign(next, { shared });
}

/** Returns some samples of all feeds. */
const rowsOf = (entries: readonly (readonly [string, Feed])[], rows: Int32Array): Feeds =>
  Object.fromEntries(
    entries.map(([name, { dims, data }]) => {
      const rest = dims.slice(1);
      const size = sizeOf(rest);
      return [name, { dims: [rows.length, ...rest], data: gather(data as ArrayLike<number>, rows, size) }];
    }),
  );

/** Moves some samples to the end of an order, so that the next batches do not repeat them. */
function putLast(order: Int32Array, samples: Int32Array): void {
  const moved = new Set(samples);
  order.set([...order.filter((sample) => !moved.has(sample)), ...samples]);
}

/** Shuffles in place (Fisher and Yates). */
function shuffle(order: Int32Array, random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const drawn = random();
    if (!(typeof drawn === 'number' && drawn >= 0 && drawn < 1))
      throw new RangeError(`miniBatches: random: must return numbers in [0, 1), got ${show(drawn)}.`);
    const j = Math.floor(drawn * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

/** Returns some rows of an array, `[rows.length · size]`, in an array of the same type. */
function gather(data: ArrayLike<number>, rows: Int32Array, size: number): ArrayLike<number> {
  const constructor = data.constructor as new (length: number) => { [i: number]: number; length: number };
  const out = new constructor(rows.length * size);
  if (isTyped(out) && isTyped(data)) {
    // Copies whole rows: element by element takes ten times as long.
    for (let k = 0; k < rows.length; k++)
      out.set(data.subarray(rows[k] * size, (rows[k] + 1) * size), k * size);
    return out;
  }
  for (let k = 0; k < rows.length; k++) {
    for (let i = 0; i < size; i++) out[k * size + i] = data[rows[k] * size + i];
  }
  return out;
}

/** True for typed arrays, which have `set` and `subarray`. */
const isTyped = (data: ArrayLike<number>): data is Float32Array => ArrayBuffer.isView(data);
