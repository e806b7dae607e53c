import {
  checkOptions,
  finitePositive,
  integerFrom,
  integerIn,
  nonNegative,
  numberIn,
  show,
} from '../core/options.ts';

/** Returns the learning rate at a step, counted from 0. */
export type Schedule = (step: number) => number;

/**
 * Returns a schedule that falls from `from` to `to` along half a cosine in `steps` steps, and then stays at
 * `to`.
 *
 * @throws RangeError naming every option that is wrong
 * @see Loshchilov & Hutter (2017), SGDR, arXiv:1608.03983, eq. (5)
 */
export function cosineDecay(options: { from: number; steps: number; to?: number }): Schedule {
  checkOptions('cosineDecay', options, { from: finitePositive, steps: integerFrom(1), to: nonNegative });
  checkPresent('cosineDecay', options, 'from', 'steps');
  const { from, steps, to = 0 } = options;
  return (step) => to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, step / steps)))) / 2;
}

/**
 * Returns the schedule `from` · `rate`^(step / `steps`).
 *
 * @throws RangeError naming every option that is wrong
 */
export function exponentialDecay(options: { from: number; rate: number; steps: number }): Schedule {
  checkOptions('exponentialDecay', options, {
    from: finitePositive,
    rate: numberIn(0, 1),
    steps: integerFrom(1),
  });
  checkPresent('exponentialDecay', options, 'from', 'rate', 'steps');
  const { from, rate, steps } = options;
  return (step) => from * rate ** (step / steps);
}

/**
 * Returns a schedule that rises linearly from near 0 in `steps` steps, then follows `after`.
 *
 * @throws RangeError naming every option that is wrong
 */
export function warmup(options: { steps: number; after: number | Schedule }): Schedule {
  checkOptions('warmup', options, { steps: finiteSteps, after: scheduleRule });
  checkPresent('warmup', options, 'steps', 'after');
  const { steps } = options;
  const after = scheduleOf(options.after);
  return (step) => (step < steps ? (after(0) * (step + 1)) / steps : after(step - steps));
}

/**
 * Returns a schedule with warm-up and cosine decay for a run of `steps` steps: it rises to `peak` in the
 * first `warmup` steps, and falls to `to` in the others.
 *
 * @param options - `warmup`: a twentieth of the steps by default; `to`: 0 by default
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { soap, warmupCosine } from 'quasi-newton';
 *
 * const solver = soap({ learningRate: warmupCosine({ peak: 0.02, steps: 2000 }) });
 * ```
 */
export function warmupCosine(options: {
  peak: number;
  steps: number;
  warmup?: number;
  to?: number;
}): Schedule {
  checkOptions('warmupCosine', options, {
    peak: finitePositive,
    steps: finiteSteps,
    warmup: integerFrom(0),
    to: nonNegative,
  });
  checkPresent('warmupCosine', options, 'peak', 'steps');
  const { peak, steps, warmup: rising = defaultWarmup(steps), to = 0 } = options;
  checkFits('warmupCosine', { warmup: rising }, steps, 1);
  const after = cosineDecay({ from: peak, to, steps: steps - rising });
  return rising === 0 ? after : warmup({ steps: rising, after });
}

/**
 * Returns a schedule with warm-up, a constant rate and linear decay to 0 for a run of `steps` steps. The run
 * can be extended: until the decay begins, the rate does not depend on `steps`.
 *
 * @param options - `warmup`: a twentieth of the steps by default; `decay`: the last fifth of the steps by default
 * @throws RangeError naming every option that is wrong
 * @see Hägele et al. (2024), Scaling laws and compute-optimal training beyond fixed training durations, arXiv:2405.18392
 */
export function warmupStableDecay(options: {
  peak: number;
  steps: number;
  warmup?: number;
  decay?: number;
}): Schedule {
  checkOptions('warmupStableDecay', options, {
    peak: finitePositive,
    steps: finiteSteps,
    warmup: integerFrom(0),
    decay: integerFrom(0),
  });
  checkPresent('warmupStableDecay', options, 'peak', 'steps');
  const { peak, steps, warmup: rising = defaultWarmup(steps), decay = Math.round(steps / 5) } = options;
  checkFits('warmupStableDecay', { warmup: rising, decay }, steps);
  return (step) => {
    if (step < rising) return (peak * (step + 1)) / rising;
    const left = Math.max(0, steps - step);
    return left > 0 && left >= decay ? peak : left === 0 ? 0 : (peak * left) / decay;
  };
}

/** Number of steps of a run. */
const finiteSteps = integerIn(1, Number.MAX_SAFE_INTEGER);

const defaultWarmup = (steps: number): number => Math.floor(steps / 20);

/**
 * Checks that the parts of a schedule fit into its steps.
 *
 * @param left - steps that must follow these parts
 */
function checkFits(where: string, parts: Record<string, number>, steps: number, left = 0): void {
  const sum = Object.values(parts).reduce((a, b) => a + b);
  if (sum <= steps - left) return;
  const names = Object.keys(parts).join(' + ');
  const limit = left > 0 ? `steps − ${left}` : 'steps';
  throw new RangeError(`${where}: ${names} must be at most ${limit} = ${steps - left}; got ${sum}.`);
}

function checkPresent<Options extends object>(
  where: string,
  options: Options,
  ...names: (keyof Options & string)[]
): void {
  const missing = names.filter((name) => options[name] === undefined);
  if (missing.length > 0) throw new RangeError(`${where}: ${missing.join(' and ')} must be given.`);
}

/** Rule of an option that accepts a rate or a {@link Schedule}. */
export const scheduleRule = {
  allowed: 'a finite number > 0 or a schedule such as cosineDecay({ from, steps })',
  accepts: (value: unknown): boolean => typeof value === 'function' || finitePositive.accepts(value),
};

/** Returns a rate as a schedule. */
export const scheduleOf = (rate: number | Schedule): Schedule =>
  typeof rate === 'number' ? () => rate : rate;

/** Returns a rate or schedule as text for descriptions. */
export const showSchedule = (rate: number | Schedule): string =>
  typeof rate === 'number' ? show(rate) : 'by schedule';
