// Samples that a run of `train` is judged by while it runs: --validation, --patience.
import { BadInput } from './badInput.js';
import { seeded } from './seeded.js';

/** @import { ValidationResult } from 'quasi-newton' */
/** @import { Arguments } from './arguments.js' */
/** @import { Loaded } from './runtime.js' */
/** @import { Samples } from './table.js' */

/** @typedef {Record<string, Samples>} Feeds */

/**
 * Samples that `--validation` asks for.
 *
 * @typedef {{ path: string, fraction?: undefined } | { path?: undefined, fraction: number }} Wanted
 */

const DEFAULT_PATIENCE = 10;

/** @type {Readonly<Record<string, import('./arguments.js').Option>>} */
export const validationOptions = {
  validation: {
    value: 'FILE|FRACTION',
    help: 'validation samples, or the fraction of --data to hold out as such, e.g. 0.2: training stops when their loss no longer falls, and the model with the lowest validation loss is written',
  },
  patience: {
    value: 'COUNT',
    isNumber: true,
    help: 'validations without a new lowest loss after which training stops; there is one after each iteration, or after each pass over all mini-batches',
    default: String(DEFAULT_PATIENCE),
  },
};

/**
 * Reads the options; undefined where nothing is held out.
 *
 * @param {Arguments} given
 * @returns {Wanted | undefined}
 * @throws BadInput if they make no sense
 */
export function validationWanted({ text: { validation: value }, number: { patience } }) {
  if (value === undefined) {
    if (patience !== undefined) throw new BadInput('--patience needs --validation FILE or --validation 0.2.');
    return undefined;
  }
  if (patience !== undefined && !(Number.isInteger(patience) && patience >= 1))
    throw new BadInput(`--patience: must be a whole number ≥ 1, got ${patience}.`);
  const fraction = Number(value);
  if (value.trim() === '' || Number.isNaN(fraction)) return { path: value };
  if (fraction > 0 && fraction < 1) return { fraction };
  throw new BadInput(`--validation: a fraction must be between 0 and 1, got ${value}.`);
}

/**
 * Returns the samples to train on and those to watch. A fraction is drawn at random, by --seed.
 *
 * @param {Wanted | undefined} wanted
 * @param {Arguments} given
 * @param {Loaded} loaded
 * @returns {Promise<{ feeds: Feeds, samples: number, heldOut?: { feeds: Feeds, samples: number } }>}
 */
export async function divided(wanted, { number: { seed = 0 } }, { feeds, feedsFrom, table: { samples } }) {
  if (wanted === undefined) return { feeds, samples };
  if (wanted.path !== undefined) {
    const held = await feedsFrom(wanted.path, '--validation');
    return { feeds, samples, heldOut: { feeds: held, samples: Object.values(held)[0].dims[0] } };
  }
  const count = Math.round(wanted.fraction * samples);
  if (count < 1 || count >= samples)
    throw new BadInput(
      `--validation: ${wanted.fraction} of ${samples} samples would leave ${count} to watch and ${samples - count} to train on; both must be at least 1.`,
    );
  const order = shuffled(samples, seeded(seed));
  const [held, rest] = [order.slice(0, count), order.slice(count)].map((rows) => rows.sort((a, b) => a - b));
  return {
    feeds: rowsOf(feeds, rest),
    samples: rest.length,
    heldOut: { feeds: rowsOf(feeds, held), samples: held.length },
  };
}

/**
 * @param {number} count
 * @param {() => number} random
 */
function shuffled(count, random) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random());
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** @type {(feeds: Feeds, rows: readonly number[]) => Feeds} */
const rowsOf = (feeds, rows) =>
  Object.fromEntries(
    Object.entries(feeds).map(
      ([
        name,
        {
          data,
          dims: [count, ...sizes],
        },
      ]) => {
        const width = data.length / count;
        const chosen = new Float64Array(rows.length * width);
        for (const [k, row] of rows.entries())
          for (let i = 0; i < width; i++) chosen[k * width + i] = data[row * width + i];
        return [name, { data: chosen, dims: [rows.length, ...sizes] }];
      },
    ),
  );

/**
 * Returns the option `validation` of a run, and what to add to its progress.
 *
 * @param {import('quasi-newton/onnx').OnnxModel} model
 * @param {Feeds | undefined} feeds - samples to watch
 * @param {Arguments} given
 * @param {number} every - iterations between two looks
 */
export function watching(model, feeds, { number: { patience = DEFAULT_PATIENCE } }, every) {
  if (feeds === undefined) return { options: {}, seen: () => '' };
  let [last, best] = [NaN, Infinity];
  return {
    options: { validation: { problem: model.problem(feeds, { inference: true }), patience, every } },
    seen(/** @type {{ validation?: number }} */ { validation }) {
      if (validation !== undefined) [last, best] = [validation, Math.min(best, validation)];
      // A resumed run does not look before its first step.
      return Number.isNaN(last)
        ? ''
        : `  validation ${last.toExponential(3)}, lowest ${best.toExponential(3)}`;
    },
  };
}

/**
 * Returns the facts that a run reports of its validation; `iteration` is null if the lowest loss is that of an earlier run.
 *
 * @param {ValidationResult | undefined} result
 * @param {string | undefined} of - value of --validation
 * @param {number | undefined} samples
 */
export function validationFacts(result, of, samples) {
  if (result === undefined) return undefined;
  const { best, trace } = result;
  const { iteration = 0, f = NaN } = best ?? {};
  // Iterations count from the resumption: that of an earlier run would mislead.
  const isEarlier = best !== null && !trace.some((look) => look.iteration === iteration && look.f === f);
  return {
    of,
    samples,
    startLoss: trace[0]?.f,
    loss: f,
    iteration: isEarlier ? null : iteration,
    endLoss: trace[trace.length - 1]?.f,
    evaluations: trace.length,
  };
}

/**
 * Returns the rows of a report for these facts.
 *
 * @param {NonNullable<ReturnType<typeof validationFacts>>} facts
 * @param {number} iterations - of the run
 */
export const validationRows = ({ samples, startLoss, loss, iteration, endLoss }, iterations) => [
  [
    'validation',
    `loss ${startLoss?.toExponential(4)} → ${loss.toExponential(4)} on ${samples} samples, lowest ${iteration === null ? 'before this run was resumed' : `after iteration ${iteration} of ${iterations}`}: that model is written`,
  ],
  ['', `at the end it was ${endLoss?.toExponential(4)}`],
];
