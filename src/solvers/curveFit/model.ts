import { show } from '../../core/options.ts';
import { showPoint, type Point } from './data.ts';

/** Values of the model at all points, from all parameters as it takes them. */
export type EvaluateModel = (points: readonly Point[], parameters: unknown, out: Float64Array) => void;

/** A model as the user gave it. */
export type GivenModel = (x: never, parameters: never) => unknown;

/**
 * Makes one form of a model that takes a point and of one that takes all points at once.
 *
 * @param vectorized - true if the model takes all points and returns an array
 * @returns a function that throws a TypeError where the model returns something else than numbers
 */
export function evaluatorOf(model: GivenModel, vectorized: boolean): EvaluateModel {
  const call = model as (x: unknown, parameters: unknown) => unknown;
  if (!vectorized) {
    return (points, parameters, out) => {
      for (let i = 0; i < points.length; i++) out[i] = checked(call(points[i], parameters), points[i]);
    };
  }
  return (points, parameters, out) => {
    const values = call(points, parameters);
    const length =
      Array.isArray(values) || (ArrayBuffer.isView(values) && 'length' in values)
        ? Number(values.length)
        : -1;
    if (length !== points.length) {
      const got = length < 0 ? show(values) : `${length} values`;
      throw new TypeError(
        `curveFit: a vectorized model must return one value for each of ${points.length} points, got ${got}.`,
      );
    }
    for (let i = 0; i < length; i++) out[i] = checked((values as ArrayLike<unknown>)[i], points[i]);
  };
}

function checked(value: unknown, point: Point): number {
  if (typeof value === 'number') return value;
  const hint =
    value instanceof Promise
      ? 'it must be synchronous'
      : 'a model that takes all points at once needs vectorized: true';
  throw new TypeError(
    `curveFit: model must return a number, got ${show(value)} at x = ${showPoint(point)}; ${hint}.`,
  );
}
