import { layoutOf, type Layout } from '../core/layout.ts';
import { show } from '../core/options.ts';
import { firstNonFinite } from '../core/vector.ts';
import type { ParamSet } from '../core/paramSet.ts';
import type { ProblemFacts } from '../core/problem.ts';

/** A loss as a function of nothing: of whatever the parameters hold at the time. */
export type Loss = () => number;
/** As {@link Loss}, answering later. */
export type AsyncLoss = () => Promise<number> | number;

/** A loss with parameters to read, or a problem; its value may come later. */
export type Source<Value> =
  | (() => Value)
  | (ProblemFacts & { fg(x: Float64Array, gradient: Float64Array | null): Value });

/** Where a landscape or a curvature is looked at from. */
export interface Subject {
  readonly params: ParamSet | undefined;
  readonly layout: Layout;
  /** θ*, `[n]`, a copy. */
  readonly center: Float64Array;
}

/**
 * The point to look from: `at` where the user gives one, else what the parameters hold, else p0.
 *
 * @throws TypeError if there are no parameters to be had
 * @throws RangeError if the point has a wrong length or is not finite
 */
export function subjectOf(
  where: string,
  source: Source<unknown>,
  given: ParamSet | undefined,
  at: Float64Array | undefined,
): Subject {
  if (typeof source === 'function') {
    if (given === undefined) {
      throw new TypeError(
        `${where}: a loss () => number needs the parameters it reads, as a ParamSet such as tfParams(model) gives.`,
      );
    }
  } else if (typeof source !== 'object' || source === null || typeof source.fg !== 'function') {
    throw new TypeError(`${where}: needs a loss () => number or a problem { p0, fg }, got ${show(source)}.`);
  }
  const params = given ?? ('params' in source ? source.params : undefined);
  const own = params?.copyInto(params.zeros()) ?? ('p0' in source ? source.p0 : new Float64Array(0));
  const center = Float64Array.from(at ?? own);
  if (center.length !== own.length) {
    throw new RangeError(`${where}: center has length ${center.length}; there are ${own.length} parameters.`);
  }
  if (center.length === 0) throw new RangeError(`${where}: there are no parameters.`);
  const bad = firstNonFinite(center);
  if (bad >= 0) {
    throw new RangeError(`${where}: parameter ${bad} is ${center[bad]}; look at a point that is finite.`);
  }
  return { params, layout: params?.layout ?? layoutOf([{ name: 'x', shape: [center.length] }]), center };
}

/** The loss as a function of the parameter vector, `[n]`. */
export function lossAt<Value>(
  source: Source<Value>,
  params: ParamSet | undefined,
): (x: Float64Array) => Value {
  if (typeof source !== 'function') return (x) => source.fg(x, null);
  return (x) => {
    params?.copyFrom(x);
    return source();
  };
}

/** The value of a loss, if it is a number. */
export function checkedLoss(where: string, value: unknown): number {
  if (typeof value === 'number') return value;
  if (value instanceof Promise) {
    throw new TypeError(`${where}: the loss gave a promise; use ${where}Async.`);
  }
  throw new TypeError(
    `${where}: the loss must be a number, got ${show(value)}; of a tensor, take dataSync()[0] inside tf.tidy.`,
  );
}

/** Whether a value is a {@link ParamSet}. */
export function isParamSet(value: unknown): value is ParamSet {
  return typeof value === 'object' && value !== null && 'copyInto' in value && 'copyFrom' in value;
}
