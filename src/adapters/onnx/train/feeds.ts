import { getApplicativeValidation, isLeft } from 'fp-ts/lib/Either.js';
import { getSemigroup, traverse } from 'fp-ts/lib/Array.js';
import { left, right, type Either } from '../../../core/either.ts';
import { sizeOf } from '../../../core/layout.ts';
import { show } from '../../../core/options.ts';
import { fault, OnnxError, type Fault } from '../ir/errors.ts';
import type { Shape } from '../ir/shape.ts';
import type { InputSpec } from './inputs.ts';
import { tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';

/**
 * Data for an input: a tensor of ONNX Runtime, which must have the right type, or numbers and their shape
 * without a type, which are converted if necessary.
 */
export interface Feed {
  readonly type?: string | undefined;
  readonly data: ArrayLike<number | bigint | string>;
  readonly dims: readonly number[];
}

/** Feeds by input name; the target's is `target`. */
export type Feeds = Readonly<Record<string, Feed>>;

/** Size of each symbol, and the feed that set it. */
type Sizes = Map<string, { readonly size: number; readonly name: string }>;

type NumberArray =
  | Float32ArrayConstructor
  | Float64ArrayConstructor
  | Int32ArrayConstructor
  | Uint8ArrayConstructor;

/** Array type of each element type; int64 uses bigints. */
const arrays = new Map<string, NumberArray | BigInt64ArrayConstructor>([
  ['float32', Float32Array],
  ['float64', Float64Array],
  ['int64', BigInt64Array],
  ['int32', Int32Array],
  ['uint8', Uint8Array],
  ['bool', Uint8Array],
]);

/** Converts numbers to an array type; returns them unchanged if they already have it. */
function convert(
  array: NumberArray | BigInt64ArrayConstructor,
  values: Feed['data'],
): ArrayLike<number | bigint> {
  if (values instanceof array) return values;
  if (array === BigInt64Array) return BigInt64Array.from(values as ArrayLike<bigint>, BigInt);
  // Number() reads bigints too, but element by element; numbers are converted many at a time.
  const numbers = array as NumberArray;
  return typeof values[0] === 'bigint'
    ? new numbers(Array.from(values, Number))
    : new numbers(values as ArrayLike<number>);
}

const quoted = (names: Iterable<string>) => Array.from(names, (name) => JSON.stringify(name)).join(', ');
const spelled = (shape: Shape) =>
  `[${shape.map((size) => (typeof size === 'string' && size.startsWith('?') ? '?' : size)).join(', ')}]`;

const isSpec = (spec: unknown): boolean =>
  typeof spec === 'object' && spec !== null && 'name' in spec && 'dtype' in spec;

/**
 * Checks that there is a feed of the right type, shape and values for each input, and no other; converts them
 * to tensors.
 *
 * @param specs - the inputs to feed, such as `model.inputs`
 * @returns every fault at once, or tensors by input name; data that need no conversion are not copied
 */
export function checkFeeds(
  ort: Ort,
  specs: readonly InputSpec[],
  feeds: Feeds,
): Either<OnnxError, OrtTensors> {
  if (!Array.isArray(specs) || !specs.every(isSpec))
    throw new TypeError(
      `checkFeeds: specs must be a list of inputs, such as model.inputs; got ${show(specs)}.`,
    );
  if (typeof ort?.Tensor !== 'function')
    throw new TypeError(`checkFeeds: ort must be ONNX Runtime, as imported; got ${show(ort)}.`);
  if (typeof feeds !== 'object' || feeds === null || Array.isArray(feeds)) {
    return left(
      new OnnxError([fault(`feeds must be an object of tensors by input name; got ${show(feeds)}.`)]),
    );
  }
  const names = new Set(specs.map(({ name }) => name));
  const strangers = Object.keys(feeds)
    .filter((name) => !names.has(name))
    .map((name) =>
      fault(`feed ${JSON.stringify(name)}: there is no such input; the inputs are ${quoted(names)}.`),
    );
  const sizes: Sizes = new Map();
  const checked = collect((spec: InputSpec) => checkFeed(ort, spec, feeds[spec.name], sizes))([...specs]);
  const faults = [...strangers, ...(isLeft(checked) ? checked.left : [])];
  return isLeft(checked) || faults.length > 0
    ? left(new OnnxError(faults))
    : right(Object.fromEntries(checked.right));
}

/** Collects all successes, or all faults. */
const collect = traverse(getApplicativeValidation(getSemigroup<Fault>()));

/** Returns one feed as a tensor, with its name. */
function checkFeed(
  ort: Ort,
  spec: InputSpec,
  feed: Feed | undefined,
  sizes: Sizes,
): Either<Fault[], readonly [string, OrtTensor]> {
  const { name, dtype, shape } = spec;
  const faults = (reasons: readonly string[]) =>
    reasons.map((reason) => fault(`feed ${JSON.stringify(name)}: ${reason}`));
  const form = shape ? `${dtype} of shape ${spelled(shape)}` : dtype;
  if (feed === undefined) return left(faults([`it is missing; it must be ${form}.`]));
  const reason = formFault(feed);
  if (reason !== undefined)
    return left(faults([`must be a tensor, or { data, dims }, of ${form}; ${reason}.`]));
  const { type, dims, data } = feed;
  const found = [
    typeFault(spec, type),
    shapeFault(spec, dims, sizes),
    countFault(feed),
    valueFault(spec, data),
  ];
  const reasons = found.filter((reason) => reason !== undefined);
  if (reasons.length > 0) return left(faults(reasons));
  if (isTensor(feed)) return right([name, feed]);
  const array = arrays.get(dtype);
  if (array === undefined)
    return left(faults([`plain numbers cannot be converted to ${dtype}; feed a tensor of ONNX Runtime.`]));
  return right([name, tensorOver(ort, dtype, convert(array, data), dims)]);
}

const isSize = (size: unknown): boolean => Number.isInteger(size) && Number(size) >= 0;
const isList = (data: unknown): boolean => Array.isArray(data) || ArrayBuffer.isView(data);

/** Returns the fault of a feed's form: it is not a tensor, or its sizes or data are wrong. */
function formFault(feed: unknown): string | undefined {
  if (typeof feed !== 'object' || feed === null || !('dims' in feed)) return `got ${show(feed)}`;
  const { dims } = feed;
  if (!Array.isArray(dims)) return `got dims ${show(dims)}`;
  if (!dims.every(isSize)) return `got dims [${dims.map(show).join(', ')}], which must be whole numbers ≥ 0`;
  try {
    const { data } = feed as { data?: unknown };
    return isList(data) ? undefined : `its data are ${show(data)}`;
  } catch (error) {
    // A tensor of ONNX Runtime whose data have been released, or lie on another device, throws.
    return `its data cannot be read: ${error instanceof Error ? error.message : show(error)}`;
  }
}

/**
 * Checks that all feeds have sizes and data.
 *
 * @throws OnnxError naming every feed that has none
 */
export function checkForm(where: string, feeds: Feeds): void {
  if (typeof feeds !== 'object' || feeds === null || Array.isArray(feeds)) {
    throw new OnnxError([
      fault(`${where}: feeds must be an object of tensors by input name; got ${show(feeds)}.`),
    ]);
  }
  const faults = Object.entries(feeds).flatMap(([name, feed]) => {
    if (feed === undefined) return [];
    const form = formFault(feed);
    const reason =
      form === undefined
        ? countFault(feed)
        : `must be a tensor, or { data, dims } with its sizes, whole numbers ≥ 0; ${form}.`;
    return reason === undefined ? [] : [fault(`${where}: feed ${JSON.stringify(name)}: ${reason}`)];
  });
  if (faults.length > 0) throw new OnnxError(faults);
}

const isTensor = (feed: Feed): feed is OrtTensor => feed.type !== undefined;

function typeFault({ dtype }: InputSpec, type: string | undefined): string | undefined {
  return type === undefined || type === dtype
    ? undefined
    : `it is ${typeof type === 'string' ? type : show(type)}; it must be ${dtype}, or { data, dims } without a type, to be converted.`;
}

function shapeFault(
  { name, shape, classes }: InputSpec,
  dims: readonly number[],
  sizes: Sizes,
): string | undefined {
  if (shape === undefined) return undefined;
  if (dims.length !== shape.length || shape.some((size, i) => typeof size === 'number' && size !== dims[i])) {
    const free = shape[0] === 1 && dims.length === shape.length && dims[0] !== 1;
    const advice = free
      ? ' The option freeBatch lets the first axis vary.'
      : classes !== undefined && dims.length > shape.length && dims.includes(classes)
        ? " It holds class indices, one for each sample; loss: { loss: 'softmaxCrossEntropy', targets: 'probabilities' } takes one-hot rows."
        : '';
    return `its shape is ${spelled(dims)}; it must be ${spelled(shape)}.${advice}`;
  }
  for (const [axis, symbol] of shape.entries()) {
    if (typeof symbol !== 'string') continue;
    const first = sizes.get(symbol);
    if (first === undefined) sizes.set(symbol, { size: dims[axis], name });
    else if (first.size !== dims[axis]) {
      return `its axis ${axis} has size ${dims[axis]}, but feed ${JSON.stringify(first.name)} has ${first.size} there; they must be equal.`;
    }
  }
  return undefined;
}

/** Returns the fault of a feed whose data do not fill its shape. */
function countFault({ dims, data }: Feed): string | undefined {
  const count = sizeOf(dims);
  return count === data.length
    ? undefined
    : `its shape ${spelled(dims)} has ${count} elements, its data ${data.length}.`;
}

const isNoNumber = (value: unknown): boolean => !['number', 'bigint', 'boolean'].includes(typeof value);

/** Returns the fault of values: of class indices out of range, numbers out of [min, max], or fractions for integers. */
function valueFault({ dtype, classes, ignored, range }: InputSpec, data: Feed['data']): string | undefined {
  const stranger = Array.isArray(data) && dtype !== 'string' ? data.findIndex(isNoNumber) : -1;
  if (stranger >= 0) return `element ${stranger} must be a number, got ${show(data[stranger])}.`;
  const array = arrays.get(dtype);
  const integral = array !== undefined && array !== Float32Array && array !== Float64Array;
  const bounds = range ?? (classes === undefined ? undefined : [0, classes - 1]);
  if (bounds === undefined && (!integral || data instanceof array)) return undefined;
  const [min, max] = bounds ?? [-Infinity, Infinity];
  const isWrong = (value: number) =>
    value !== ignored && (!(value >= min && value <= max) || (integral && !Number.isInteger(value)));
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) if (isWrong(Number(data[i])) && wrong++ === 0) first = i;
  if (wrong === 0) return undefined;
  const numbers = range ? `a number from ${min} to ${max}` : 'a whole number';
  const none = ignored === undefined ? '' : `, or ${ignored} for none`;
  const allowed = classes === undefined ? numbers : `a class, one of 0 to ${max}${none}`;
  return `element ${first} is ${String(data[first])}${wrong > 1 ? `, and ${wrong - 1} more are wrong` : ''}; each must be ${allowed}.`;
}
