import { isList, show } from '../../core/options.ts';
import { gradientsOf } from './covariance.ts';
import { showPoint, type Point } from './data.ts';
import { checkParametersUntouched } from './commonMistakes.ts';
import type { Precision } from '../../core/problem.ts';
import type { ParameterSet } from './parameters.ts';

/** A model as the user gave it. */
export type GivenModel = (x: never, parameters: never) => unknown;

/** Derivatives of the model at a point: in the order of the parameters, or by name. */
export type Slopes = ArrayLike<number> | { readonly [name: string]: number };

/** A model as a function of the parameters that vary. */
export interface FitModel {
  /** `out ← f(points)`, `[k]`, for parameters theta, `[n]` */
  values(points: readonly Point[], theta: Float64Array, out: Float64Array): void;
  /** `'float32'` once it has returned a Float32Array. */
  precision(): Precision;
  /** `out ← ∂f/∂theta`, `[k, n]` row by row; null if the user gave no derivatives */
  readonly derivatives: ((points: readonly Point[], theta: Float64Array, out: Float64Array) => void) | null;
}

/** The user's functions. */
export interface GivenFunctions {
  readonly model: GivenModel;
  readonly jacobian: GivenModel | undefined;
  /** True if both take all points at once. */
  readonly vectorized: boolean;
}

type Call = (x: unknown, parameters: unknown) => unknown;

/**
 * Gives models that take one point and models that take all points the same form, as functions of the parameters that
 * vary.
 *
 * @returns functions that throw a TypeError if the user's do not return numbers
 */
export function modelOf({ model, jacobian, vectorized }: GivenFunctions, parameters: ParameterSet): FitModel {
  const { names, expand, present, varied } = parameters;
  /** Calls a user's function, and checks that it does not change its parameters. */
  const calledWith = <T>(name: 'model' | 'jacobian', theta: Float64Array, call: (given: unknown) => T): T => {
    const all = expand(theta);
    const given = present(all.slice());
    const answer = call(given);
    checkParametersUntouched(`curveFit: ${name}`, all, given, names);
    return answer;
  };
  const evaluate = allAtOnce('model', model as Call);
  const slopes = vectorized ? allAtOnce('jacobian', jacobian as Call) : oneByOne(jacobian as Call);
  let precision: Precision = 'float64';
  return {
    precision: () => precision,
    values(points, theta, out) {
      if (!vectorized) {
        // Without an array of the answers, which are objects there.
        calledWith('model', theta, (given) => {
          for (let i = 0; i < points.length; i++) {
            out[i] = checkedValue((model as Call)(points[i], given), points[i]);
          }
        });
        return;
      }
      const answers = calledWith('model', theta, (given) => evaluate(points, given));
      if (answers instanceof Float32Array) precision = 'float32';
      for (let i = 0; i < points.length; i++) out[i] = checkedValue(answers[i], points[i]);
    },
    derivatives:
      jacobian === undefined
        ? null
        : (points, theta, out) => {
            const n = varied.length;
            const chain = parameters.tied.length > 0 ? gradientsOf(parameters, theta) : null;
            const answers = calledWith('jacobian', theta, (given) => slopes(points, given));
            Array.from(answers).forEach((row, i) => {
              const all = checkedSlopes(row, points[i], parameters);
              for (let k = 0; k < n; k++) {
                out[i * n + k] =
                  chain === null
                    ? all[varied[k]]
                    : chain.reduce((sum, g, j) => sum + (g[k] && all[j] * g[k]), 0);
              }
            });
          },
  };
}

const oneByOne =
  (call: Call) =>
  (points: readonly Point[], parameters: unknown): readonly unknown[] =>
    points.map((point) => call(point, parameters));

const allAtOnce =
  (name: 'model' | 'jacobian', call: Call) =>
  (points: readonly Point[], parameters: unknown): ArrayLike<unknown> => {
    const values = call(points, parameters);
    if (isList(values) && values.length === points.length) return values;
    const got = isList(values) ? `${values.length} values` : show(values);
    const each = name === 'model' ? 'value' : 'list of derivatives';
    throw new TypeError(
      `curveFit: a vectorized ${name} must return one ${each} for each of ${points.length} points, got ${got}.`,
    );
  };

function checkedValue(value: unknown, point: Point): number {
  if (typeof value === 'number') return value;
  const hint =
    value instanceof Promise
      ? 'it must be synchronous'
      : 'a model that takes all points at once needs vectorized: true';
  throw new TypeError(
    `curveFit: model must return a number, got ${show(value)} at x = ${showPoint(point)}; ${hint}.`,
  );
}

/** Returns the derivatives by all parameters in order; if given by name, those of fixed parameters may be missing. */
function checkedSlopes(row: unknown, point: Point, { names, isFixed }: ParameterSet): Float64Array {
  const wrong = (got: string): TypeError =>
    new TypeError(
      `curveFit: jacobian must return a derivative for each of ${names.join(', ')}, in this order or by name, got ${got} at x = ${showPoint(point)}.`,
    );
  if (typeof row !== 'object' || row === null || row instanceof Promise) throw wrong(show(row));
  if (isList(row) && row.length !== names.length) throw wrong(`${row.length} values`);
  const slopes = new Float64Array(names.length);
  names.forEach((name, j) => {
    const slope: unknown = isList(row) ? row[j] : (row as { [name: string]: unknown })[name];
    if (typeof slope === 'number') slopes[j] = slope;
    else if (slope !== undefined || !isFixed[j]) throw wrong(`${show(slope)} for ${name}`);
  });
  return slopes;
}
