import { isList, isPlainObject, show } from '../../core/options.ts';

/** A start: the parameters in order, or by name. */
export type Start = ArrayLike<number> | { readonly [name: string]: number };

/** Parameters as passed to a model and to tied parameters: a Float64Array or an object, in the form of the start. */
export type Values<S extends Start> =
  S extends ArrayLike<number> ? Float64Array : { [Name in keyof S]: number };

/** The type of a start where it is known already: options do not take part in inferring it. */
export type Known<S> = [S][S extends unknown ? 0 : never];

/** A start of unknown type, which options fit that are typed without one: their names are checked only when they are used. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyStart = any;

/** True of {@link AnyStart}. */
type IsAny<S> = 0 extends 1 & S ? true : false;

/** Names of the parameters of a start; those in an array are called p0, p1, … */
export type NameOf<S extends Start> =
  IsAny<S> extends true ? string : S extends ArrayLike<number> ? `p${number}` : Extract<keyof S, string>;

/** A parameter by its name, or by its index if the start is an array. */
export type KeyOf<S extends Start> =
  IsAny<S> extends true
    ? AnyStart
    : S extends ArrayLike<number>
      ? number | `${number}` | `p${number}`
      : Extract<keyof S, string>;

/** Bounds in order or by name, or one number for all that are not tied; absent, undefined or null is unbounded. */
export type Limits<S extends Start = Start> =
  | number
  | ArrayLike<number | null | undefined>
  | { readonly [Name in KeyOf<S>]?: number | null | undefined };

/** Functions of tied parameters, by the parameters that they give. */
export type Ties<S extends Start = Start> = {
  readonly [Name in KeyOf<S>]?: ((parameters: Values<S>) => number) | undefined;
};

/** The parameters of a fit, and which of them vary. */
export interface ParameterSet {
  readonly names: readonly string[];
  /** Start of all parameters, `[n]` */
  readonly start: Float64Array;
  /** Indices of the parameters that vary. */
  readonly varied: readonly number[];
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** Indices of the parameters that are functions of others. */
  readonly tied: readonly number[];
  /** True for parameters that keep their start, `[n]` */
  readonly isFixed: readonly boolean[];
  /** Returns all parameters, `[n]`, from those that vary. */
  readonly expand: (theta: Float64Array) => Float64Array;
  /** Returns all parameters in the form that the model takes. */
  readonly present: (all: Float64Array) => unknown;
}

/** The options that concern parameters, as given. */
export interface ParameterOptions {
  readonly lower: Limits | undefined;
  readonly upper: Limits | undefined;
  readonly fixed: readonly (string | number)[];
  readonly tied: { readonly [name: string]: ((values: never) => number) | undefined };
}

/** Looks up a parameter by name or number; `option` is named in the message. */
type IndexOf = (option: string, key: string | number) => number;

/** Functions of tied parameters, by index. */
type TieMap = ReadonlyMap<number, (values: never) => number>;

/**
 * Reads start, bounds, fixed and tied parameters.
 *
 * @param where - function called, named in messages
 * @throws TypeError if the start is neither a list nor an object of numbers
 * @throws RangeError naming a parameter that does not exist, or a start outside its bounds
 */
export function readParameters(p0: Start, options: ParameterOptions, where = 'curveFit'): ParameterSet {
  const { names, start, byName } = readStart(where, p0);
  const indexOf: IndexOf = (option, key) => {
    const isNumber = !byName && /^\d+$/.test(String(key));
    const index = names.indexOf(isNumber ? `p${key}` : String(key));
    if (index < 0)
      throw new RangeError(`${where}: ${option}: no parameter ${show(key)}; there are ${names.join(', ')}.`);
    return index;
  };
  const fixed = new Set(options.fixed.map((key) => indexOf('fixed', key)));
  const ties = readTies(where, names, options.tied, fixed, indexOf);
  const tied = [...ties.keys()];
  const varied = names.map((_, j) => j).filter((j) => !fixed.has(j) && !ties.has(j));
  const lower = limits(where, 'lower', forEach(options.lower, names, varied), -Infinity, names, indexOf);
  const upper = limits(where, 'upper', forEach(options.upper, names, varied), Infinity, names, indexOf);
  if (varied.length === 0)
    throw new RangeError(`${where}: every parameter is fixed or tied; there is nothing to fit.`);
  checkBounds(where, { names, start, lower, upper, tied, varied });
  const present = (all: Float64Array): unknown =>
    byName ? Object.fromEntries(names.map((name, j) => [name, all[j]])) : all;
  const expand = (theta: ArrayLike<number>): Float64Array => {
    const all = Float64Array.from(start);
    varied.forEach((j, k) => (all[j] = theta[k]));
    // Unknown at first: a tied parameter that depends on a later one gets its value in a later round.
    for (const j of tied) all[j] = NaN;
    for (let round = 0; round < tied.length; round++) {
      for (const [j, tie] of ties) all[j] = checkTied(where, names[j], tie(present(all) as never));
    }
    return all;
  };
  checkTiesAtStart(where, names, tied, expand(varied.map((j) => start[j])));
  const isFixed = names.map((_, j) => fixed.has(j));
  return { names, start, varied, lower, upper, tied, isFixed, present, expand };
}

/** Returns the names of the parameters and their start, `[n]`. */
function readStart(where: string, p0: Start): Pick<ParameterSet, 'names' | 'start'> & { byName: boolean } {
  const isObject = typeof p0 === 'object' && p0 !== null;
  if (!isObject || !(isList(p0) || isPlainObject(p0))) {
    throw new TypeError(`${where}: p0 must be an array or an object { name: start }, got ${show(p0)}.`);
  }
  const byName = !isList(p0);
  const names = byName ? Object.keys(p0) : Array.from({ length: p0.length }, (_, j) => `p${j}`);
  if (names.length === 0) throw new RangeError(`${where}: p0 is empty; there is nothing to fit.`);
  const values = byName ? Object.values(p0) : Array.from(p0);
  return { names, start: checkStart(where, names, values), byName };
}

/** Returns the functions of tied parameters, none of which may be fixed. */
function readTies(
  where: string,
  names: readonly string[],
  given: ParameterOptions['tied'],
  fixed: ReadonlySet<number>,
  indexOf: IndexOf,
): TieMap {
  const ties = new Map<number, (values: never) => number>();
  for (const [key, tie] of Object.entries(given)) {
    const index = indexOf('tied', key);
    if (tie === undefined) continue;
    if (typeof tie !== 'function')
      throw new TypeError(`${where}: tied.${names[index]} must be a function, got ${show(tie)}.`);
    ties.set(index, tie);
    if (fixed.has(index)) throw new RangeError(`${where}: ${names[index]} is both fixed and tied.`);
  }
  return ties;
}

/** Checks that tied parameters have no bounds, and that the others start between theirs. */
function checkBounds(
  where: string,
  {
    names,
    start,
    lower,
    upper,
    tied,
    varied,
  }: Pick<ParameterSet, 'names' | 'start' | 'lower' | 'upper' | 'tied' | 'varied'>,
): void {
  for (const j of tied) {
    if (lower[j] > -Infinity || upper[j] < Infinity) {
      throw new RangeError(
        `${where}: ${names[j]} is tied and takes no bounds; bound the parameters that it depends on.`,
      );
    }
  }
  for (const j of varied) {
    if (!(lower[j] < upper[j])) {
      throw new RangeError(
        `${where}: lower must be below upper; for ${names[j]} they are ${lower[j]} and ${upper[j]}. Put a constant into fixed.`,
      );
    }
    if (start[j] < lower[j] || start[j] > upper[j]) {
      throw new RangeError(
        `${where}: the start of ${names[j]}, ${start[j]}, is outside its bounds [${lower[j]}, ${upper[j]}].`,
      );
    }
  }
}

/** Checks that tied parameters are finite at the start, as they are not if they depend on themselves. */
function checkTiesAtStart(
  where: string,
  names: readonly string[],
  tied: readonly number[],
  atStart: Float64Array,
): void {
  for (const j of tied) {
    if (!Number.isFinite(atStart[j]))
      throw new RangeError(
        `${where}: tied.${names[j]} gives ${atStart[j]} at p0; it must return a finite number, and must not depend on ${names[j]}, directly or through other tied parameters.`,
      );
  }
}

/** Returns the starts, `[n]`; throws if one is not a finite number. */
function checkStart(where: string, names: readonly string[], values: readonly unknown[]): Float64Array {
  return Float64Array.from(names, (name, j) => {
    const value = values[j];
    if (typeof value !== 'number') {
      throw new TypeError(`${where}: the start of ${name} must be a number, got ${show(value)}.`);
    }
    if (!Number.isFinite(value))
      throw new RangeError(`${where}: the start of ${name} is ${value}; it must be finite.`);
    return value;
  });
}

function checkTied(where: string, name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`${where}: tied.${name} must return a number, got ${show(value)}.`);
}

/** Returns bounds; one number becomes a list, with a bound for each parameter that varies. */
function forEach(
  given: Limits | undefined,
  names: readonly string[],
  varied: readonly number[],
): Limits | undefined {
  return typeof given === 'number' ? names.map((_, j) => (varied.includes(j) ? given : null)) : given;
}

function limits(
  where: string,
  option: string,
  given: Limits | undefined,
  unbounded: number,
  names: readonly string[],
  indexOf: (option: string, key: string | number) => number,
): Float64Array {
  const values = new Float64Array(names.length).fill(unbounded);
  if (given === undefined) return values;
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(
      `${where}: ${option} must be a number, an array or an object { name: bound }, got ${show(given)}.`,
    );
  }
  if (isList(given) && given.length !== names.length) {
    throw new RangeError(
      `${where}: ${option} has ${given.length} values; there are ${names.length} parameters.`,
    );
  }
  const entries: [string | number, unknown][] = isList(given)
    ? Array.from(given, (v, j) => [j, v])
    : Object.entries(given);
  for (const [key, value] of entries) {
    const index = typeof key === 'number' ? key : indexOf(option, key);
    if (value === null || value === undefined) continue;
    if (typeof value !== 'number' || Number.isNaN(value)) {
      throw new RangeError(
        `${where}: ${option} of ${names[index]} must be a number or null, got ${show(value)}.`,
      );
    }
    values[index] = value;
  }
  return values;
}
