/**
 * Validation of options, done once in the function that the user calls. The error names every fault with the
 * value and the allowed values.
 *
 * @module
 */

/** Test of a value, with a description of the allowed values. */
export interface Rule {
  readonly allowed: string;
  accepts(value: unknown): boolean;
}

/** One {@link Rule} for each option of `Options`. */
export type Rules<Options> = { readonly [Name in keyof Required<Options>]: Rule };

/** Options of which none is absent or undefined, as after their defaults have been filled in. */
export type Filled<Options> = { [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

/** Makes a rule. */
export const rule = (allowed: string, accepts: (value: unknown) => boolean): Rule => ({ allowed, accepts });
const isNumber = (value: unknown): value is number => typeof value === 'number';

/** True for an array or a typed array. */
export const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** Accepts any value, for options that are checked where they are used. */
export const anything = rule('anything', () => true);

/** A number in [min, max], not NaN. */
export const numberIn = (min: number, max: number): Rule =>
  rule(`a number in [${min}, ${max}]`, (v) => isNumber(v) && v >= min && v <= max);
/** A number in (min, max), the ends excluded. */
export const numberBetween = (min: number, max: number): Rule =>
  rule(`a number in (${min}, ${max})`, (v) => isNumber(v) && v > min && v < max);
/** A pair `[low, high]`, low < high. */
export const limits = rule(
  'a pair [low, high] of finite numbers, low < high',
  (v) => Array.isArray(v) && v.length === 2 && v.every(Number.isFinite) && v[0] < v[1],
);
/** A finite number ≥ 0. */
export const nonNegative = rule('a finite number ≥ 0', (v) => isNumber(v) && Number.isFinite(v) && v >= 0);
/** A number > 0; Infinity is allowed. */
export const positive = rule('a number > 0', (v) => isNumber(v) && v > 0);
/** A number > 0; Infinity is not. */
export const finitePositive = rule('a finite number > 0', (v) => isNumber(v) && Number.isFinite(v) && v > 0);
/** A whole number in [min, max]. */
export const integerIn = (min: number, max: number): Rule =>
  rule(
    `a whole number in [${min}, ${max}]`,
    (v) => Number.isInteger(v) && isNumber(v) && v >= min && v <= max,
  );
/** A whole number ≥ min; Infinity is allowed. */
export const integerFrom = (min: number): Rule =>
  rule(`a whole number ≥ ${min}`, (v) => isNumber(v) && v >= min && (v === Infinity || Number.isInteger(v)));
export const boolean = rule('true or false', (v) => typeof v === 'boolean');
export const string = rule('a string', (v) => typeof v === 'string');
export const callable = rule('a function', (v) => typeof v === 'function');
/** An array or a typed array. */
export const list = rule('an array', isList);
/** Any object, which is checked where it is used. */
export const object = rule('an object', (v) => typeof v === 'object' && v !== null);
/** One of the given strings. */
export const oneOf = (...words: readonly string[]): Rule =>
  rule(words.map((word) => `'${word}'`).join(' or '), (v) => words.some((word) => word === v));
export const abortSignal = rule(
  'an AbortSignal',
  (v) => typeof v === 'object' && v !== null && 'aborted' in v && 'addEventListener' in v,
);
/** An object with properties of these names. */
export const objectWith = (what: string, ...names: readonly string[]): Rule =>
  rule(what, (v) => typeof v === 'object' && v !== null && names.every((name) => name in v));
/** Values that one of two rules allows. */
export const either = (a: Rule, b: Rule): Rule =>
  rule(`${a.allowed}, or ${b.allowed}`, (v) => a.accepts(v) || b.accepts(v));

/** Advice for names that other libraries use, by name: `{ maxfev: 'maxEvaluations is its name here.' }`. */
export type Advice = { readonly [name: string]: string };

/** Returns one sentence for each fault of `options` under `rules`; absent and undefined options have none. */
export function faultsOf<Options extends object>(
  options: Options,
  rules: Rules<Options>,
  advice: Advice = {},
): string[] {
  const known = new Map<string, Rule>(Object.entries<Rule>(rules));
  const faults: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    const rule = known.get(name);
    if (rule === undefined && Object.hasOwn(advice, name)) {
      faults.push(`${name}: no such option; ${advice[name]}`);
    } else if (rule === undefined) {
      faults.push(`${name}: no such option; there are ${[...known.keys()].join(', ')}.`);
    } else if (value !== undefined && !rule.accepts(value)) {
      faults.push(`${name}: must be ${rule.allowed}, got ${show(value)}.`);
    }
  }
  return faults;
}

/**
 * Checks that `options` is an object that follows `rules`.
 *
 * @param where - function called, named in the message
 * @param advice - for names that users of other libraries may try
 * @throws TypeError if `options` is not an object
 * @throws RangeError naming every unknown option and every value that is not allowed
 */
export function checkOptions<Options extends object>(
  where: string,
  options: Options,
  rules: Rules<Options>,
  advice: Advice = {},
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${where}: options must be an object, got ${show(options)}.`);
  }
  const faults = faultsOf(options, rules, advice);
  if (faults.length === 1) throw new RangeError(`${where}: ${faults[0]}`);
  if (faults.length > 1) {
    throw new RangeError(`${where}: ${faults.length} options are wrong:\n  ${faults.join('\n  ')}`);
  }
}

/** Returns a short form of a value for error messages, with strings in quotes. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (ArrayBuffer.isView(value) || Array.isArray(value)) {
    return `${value.constructor.name}(${'length' in value ? String(value.length) : value.byteLength})`;
  }
  if (typeof value === 'object' && value !== null) {
    const name = value.constructor?.name;
    return name && name !== 'Object'
      ? `a ${name}`
      : `an object with ${Object.keys(value).join(', ') || 'nothing'}`;
  }
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

/** Returns true for a plain object `{ … }`, false for a Map, Date, DataView and the like. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
