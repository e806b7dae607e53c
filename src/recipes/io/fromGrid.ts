import { anything, checkOptions, objectWith, show, type Rules } from '../../core/options.ts';
import { isNumbers } from '../plots/traces.ts';
import { emptyLandscape, type LandscapeData } from '../grid/data.ts';

/** A surface computed elsewhere. */
export interface GridSpec {
  /** Coordinates of the columns, `[nx]`, ascending in equal steps. */
  readonly x: ArrayLike<number>;
  /** Coordinates of the rows, `[ny]`, likewise. @defaultValue `[0]`, for values along a line */
  readonly y?: ArrayLike<number> | undefined;
  /** The values: rows of columns, or all of them row by row, `z[j * nx + i]` at (x[i], y[j]). */
  readonly z: ArrayLike<number> | readonly ArrayLike<number>[];
  /** Further values, laid out as `z`. @defaultValue none */
  readonly metrics?: Readonly<Record<string, ArrayLike<number> | readonly ArrayLike<number>[]>> | undefined;
  /** Names of x and y. @defaultValue `['x', 'y']` */
  readonly labels?: readonly [string, string] | undefined;
}

const rules: Rules<GridSpec> = {
  x: anything,
  y: anything,
  z: anything,
  metrics: objectWith('an object of arrays'),
  labels: {
    allowed: 'a pair of names',
    accepts: (value) =>
      Array.isArray(value) && value.length === 2 && value.every((label) => typeof label === 'string'),
  },
};

/**
 * Creates a landscape from values computed elsewhere, for example in Python, for use with every figure here.
 *
 * It has no parameters, so paths cannot be projected onto its plane.
 *
 * @throws TypeError if a column does not consist of numbers
 * @throws RangeError if lengths do not fit, coordinates do not ascend in equal steps, or a name is unknown
 * @example
 * ```ts
 * const data = fromGrid({ x: [-1, 0, 1], y: [0, 1], z: [[1, 0, 1], [2, 1, 2]] });
 * contourf(data).toSVG();
 * ```
 */
export function fromGrid(spec: GridSpec): LandscapeData {
  if (typeof spec !== 'object' || spec === null || !('x' in spec) || !('z' in spec)) {
    throw new TypeError(`fromGrid: needs { x, y, z }, got ${show(spec)}.`);
  }
  return gridData('fromGrid', spec);
}

/**
 * Creates the landscape of {@link fromGrid}.
 *
 * @param where - the function called, named in messages
 */
export function gridData(where: string, spec: GridSpec): LandscapeData {
  checkOptions(where, spec, rules);
  const x = axis(where, 'x', spec.x, 2);
  const y = axis(where, 'y', spec.y ?? [0], 1);
  const labels = spec.labels ?? ['x', 'y'];
  const none = new Float64Array(0);
  const directions = y.length === 1 ? [none] : [none, none];
  const values = table(`${where}: z`, spec.z, x.length, y.length);
  const metrics = Object.fromEntries(
    Object.entries(spec.metrics ?? {}).map(([name, column]) => [
      name,
      table(`${where}: metrics.${name}`, column, x.length, y.length),
    ]),
  );
  const origin = y.indexOf(0) * x.length + x.indexOf(0);
  return {
    ...emptyLandscape({ center: none, directions, labels }, x, y, Object.keys(metrics)),
    z: values,
    metrics,
    done: new Uint8Array(values.length).fill(1),
    loss: x.includes(0) && y.includes(0) ? values[origin] : NaN,
  };
}

function axis(where: string, name: string, given: ArrayLike<number>, least: number): Float64Array {
  if (!isNumbers(given))
    throw new TypeError(`${where}: ${name} must be an array of numbers, got ${show(given)}.`);
  const values = Float64Array.from(given);
  if (values.length < least) {
    throw new RangeError(`${where}: ${name} must have ${least} values or more, got ${values.length}.`);
  }
  const step = (values[values.length - 1] - values[0]) / (values.length - 1);
  // Coordinates far from 0 are themselves rounded.
  const rounding = 2 * Number.EPSILON * Math.max(Math.abs(values[0]), Math.abs(values[values.length - 1]));
  const uneven = values.findIndex(
    (value, i) =>
      !(Math.abs(value - (values[0] + i * step)) <= 1e-6 * Math.abs(step) + rounding) ||
      (step > 0 && value <= values[i - 1]),
  );
  if (values.length > 1 && (!(step > 0) || uneven >= 0)) {
    const fault = uneven >= 0 ? `${name}[${uneven}] is ${values[uneven]}` : `its step is ${step}`;
    throw new RangeError(
      `${where}: ${name} must ascend in equal steps; ${fault}. Interpolate the values to an even grid first.`,
    );
  }
  if (!Number.isFinite(values[0]))
    throw new RangeError(`${where}: ${name}[0] is ${values[0]}; it must be finite.`);
  return values;
}

function table(
  name: string,
  given: ArrayLike<number> | readonly ArrayLike<number>[],
  nx: number,
  ny: number,
): Float64Array {
  if (isNumbers(given)) {
    if (given.length !== nx * ny) {
      throw new RangeError(`${name} has ${given.length} values; ${ny} rows of ${nx} are ${nx * ny}.`);
    }
    return Float64Array.from(given);
  }
  if (!Array.isArray(given)) {
    throw new TypeError(`${name} must be rows of numbers, or all of them in one array; got ${show(given)}.`);
  }
  if (given.length !== ny) throw new RangeError(`${name} has ${given.length} rows for ${ny} y.`);
  const values = new Float64Array(nx * ny);
  given.forEach((row: unknown, j) => {
    if (!isNumbers(row)) throw new TypeError(`${name}[${j}] must be a row of numbers, got ${show(row)}.`);
    if (row.length !== nx) throw new RangeError(`${name}[${j}] has ${row.length} values for ${nx} x.`);
    values.set(Float64Array.from(row), j * nx);
  });
  return values;
}
