/** Report of one call of `minimize`. */
export interface OptimizerProgress {
  /** The loss at the start of the call. */
  readonly startLoss: number;
  /** The loss at its end, on the same closure. */
  readonly loss: number;
  /** ‖∇f‖∞ at its end; on mini-batches, at its start. */
  readonly gradientNorm: number;
  /** Step length of the last iteration; 0 if none was accepted. */
  readonly step: number;
  /** Number of evaluations of the closure. */
  readonly evaluations: number;
  /** Message that says why the variables no longer move; null while they do. */
  readonly stopped: string | null;
}

export const NOT_FINITE =
  'The loss or its gradient is NaN or infinite at these weights, which are not changed. Look for NaN among the data, a logarithm or a division that overflows, or set other weights.';

export const DRAWS_ANEW =
  'The loss changes with each evaluation at the same weights: it seems to draw a batch or random numbers itself. A line search cannot compare such values, so plain Adam steps are taken instead. Draw the batch before calling minimize, outside the function passed to it, so that the loss is one function throughout a call.';

export const LEVEL =
  'Every element of the gradient is 0 at these weights: the loss is at a minimum, or flat, as far as its precision shows.';

export const NONE_ALLOWED = 'No point that satisfies the layer constraints lowers the loss any further.';

/** Returns the message for batches that allow no step. @param batches - number of consecutive ones */
export const noBatchHelps = (batches: number): string =>
  `No step lowers the loss of any of the last ${batches} batches: they may be too small, or the gradient of the loss may be wrong; checkGradient can tell.`;

const warned = new WeakMap<object, Set<string>>();

/** Prints a warning, once for each optimizer. */
export function warnOnce(optimizer: object, sentence: string): void {
  const known = warned.get(optimizer) ?? new Set();
  warned.set(optimizer, known);
  if (known.has(sentence)) return;
  known.add(sentence);
  console.warn(sentence);
}
