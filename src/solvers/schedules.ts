import { checkOptions, finitePositive, integerFrom, nonNegative, numberIn, show } from '../core/options.ts';

/** The learning rate at a step, the first being 0. */
export type Schedule = (step: number) => number;

/**
 * From `from` down to `to` along half a cosine in `steps` steps, and `to` from there on.
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
 * `from` · `rate`^(step / `steps`).
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
 * Rises from nothing in `steps` steps, then follows `after`.
 *
 * @throws RangeError naming every option that is wrong
 */
export function warmup(options: { steps: number; after: number | Schedule }): Schedule {
  checkOptions('warmup', options, { steps: integerFrom(1), after: scheduleRule });
  checkPresent('warmup', options, 'steps', 'after');
  const { steps } = options;
  const after = scheduleOf(options.after);
  return (step) => (step < steps ? (after(0) * (step + 1)) / steps : after(step - steps));
}

function checkPresent<Options extends object>(
  where: string,
  options: Options,
  ...names: (keyof Options & string)[]
): void {
  const missing = names.filter((name) => options[name] === undefined);
  if (missing.length > 0) throw new RangeError(`${where}: ${missing.join(' and ')} must be given.`);
}

/** The rule of an option that takes a rate or a {@link Schedule}. */
export const scheduleRule = {
  allowed: 'a finite number > 0 or a schedule such as cosineDecay({ from, steps })',
  accepts: (value: unknown): boolean => typeof value === 'function' || finitePositive.accepts(value),
};

/** A rate as a schedule. */
export const scheduleOf = (rate: number | Schedule): Schedule =>
  typeof rate === 'number' ? () => rate : rate;

/** A rate as a description shows it. */
export const showSchedule = (rate: number | Schedule): string =>
  typeof rate === 'number' ? show(rate) : 'by schedule';
