import { sizeOf } from './layout.ts';
import { callable, checkOptions, isPlainObject, show } from './options.ts';
import { checkLength } from './paramSet.ts';

/** A tree as one vector, with its inverse. */
export interface Flattened<Tree> {
  /** All numbers of the tree, in the order of its keys, `[n]`. */
  readonly vector: Float64Array;
  /**
   * Builds a tree of the same form from a vector `[n]`; the two share nothing.
   *
   * @throws RangeError if the vector's length is not n
   */
  readonly unflatten: (vector: ArrayLike<number>) => Tree;
}

/** Options of {@link flatten}. */
export interface FlattenOptions {
  /**
   * Rebuilds a tensor from its values `[size]`, its shape, and the tensor that was flattened.
   *
   * @defaultValue a tensor is rebuilt by its own constructor if that takes `(type, data, dims)`, as ONNX
   *   Runtime's does, otherwise as `{ shape, data }`. `flatten` of `quasi-newton/tfjs` rebuilds tfjs tensors.
   */
  readonly tensor?: ((data: Float64Array, shape: readonly number[], original: object) => unknown) | undefined;
}

/** Builds a leaf or a branch from its own part of a vector. */
type Rebuild = (vector: ArrayLike<number>) => unknown;

/**
 * Flattens any nesting of plain objects and arrays of numbers, typed arrays and tensors into one vector.
 *
 * `unflatten` restores numbers, typed arrays of each kind, arrays and objects. null and undefined hold no numbers and
 * are restored as they were.
 *
 * @throws TypeError naming the path to a value that contains no numbers, or to a cyclic branch
 * @throws RangeError if an option is wrong
 *
 * @example
 * ```js
 * import { flatten } from 'quasi-newton';
 *
 * const { vector, unflatten } = flatten({ slope: 2, offsets: [1, Float32Array.of(3, 4)] });
 * vector; // Float64Array [2, 1, 3, 4]
 * unflatten([5, 6, 7, 8]); // { slope: 5, offsets: [6, Float32Array [7, 8]] }
 * ```
 */
export function flatten<Tree>(tree: Tree, options: FlattenOptions = {}): Flattened<Tree> {
  checkOptions('flatten', options, { tensor: callable });
  const { tensor = rebuildTensor } = options;
  const numbers: number[] = [];
  const ancestors = new Set<object>();

  function visit(value: unknown, path: string): Rebuild {
    if (typeof value === 'number') {
      const at = numbers.push(value) - 1;
      return (vector) => vector[at];
    }
    if (value === null || value === undefined) return () => value;
    if (typeof value !== 'object') throw new TypeError(`flatten: ${path} is ${show(value)}, not a number.`);
    if (isTypedArray(value)) {
      const make = value.constructor as new (data: Float64Array) => unknown;
      const read = append(value);
      return (vector) => new make(read(vector));
    }
    const content = tensorContent(value);
    if (content !== null) {
      if (content.data.length !== sizeOf(content.shape)) {
        throw new TypeError(
          `flatten: ${path} has the shape [${content.shape.join(', ')}] and ${content.data.length} values.`,
        );
      }
      const read = append(content.data);
      return (vector) => tensor(read(vector), content.shape, value);
    }
    return branch(value, path);
  }

  function append(values: ArrayLike<number>): (vector: ArrayLike<number>) => Float64Array {
    const start = numbers.length;
    for (let i = 0; i < values.length; i++) numbers.push(values[i]);
    return (vector) => Float64Array.from(values, (_, i) => vector[start + i]);
  }

  function branch(value: object, path: string): Rebuild {
    if (ancestors.has(value)) throw new TypeError(`flatten: ${path} contains itself.`);
    if (!Array.isArray(value) && !isPlainObject(value)) {
      throw new TypeError(
        `flatten: ${path} is ${show(value)}; only plain objects, arrays and tensors are flattened.`,
      );
    }
    ancestors.add(value);
    const isArray = Array.isArray(value);
    const children = Object.entries(value).map(
      ([key, child]) => [key, visit(child, isArray ? `${path}[${key}]` : `${path}.${key}`)] as const,
    );
    ancestors.delete(value);
    return isArray
      ? (vector) => children.map(([, rebuild]) => rebuild(vector))
      : (vector) => Object.fromEntries(children.map(([key, rebuild]) => [key, rebuild(vector)]));
  }

  const rebuild = visit(tree, 'tree');
  return {
    vector: Float64Array.from(numbers),
    unflatten(vector) {
      checkLength('unflatten: vector', vector, numbers.length);
      return rebuild(vector) as Tree;
    },
  };
}

type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

function isTypedArray(value: unknown): value is TypedArray {
  return (
    ArrayBuffer.isView(value) &&
    !(value instanceof DataView || value instanceof BigInt64Array || value instanceof BigUint64Array)
  );
}

/** Returns shape and values of a tensor of tfjs (`shape`, `dataSync()`) or ONNX Runtime (`dims`, `data`), or null. */
function tensorContent(value: object): { shape: readonly number[]; data: ArrayLike<number> } | null {
  if ('dataSync' in value && typeof value.dataSync === 'function' && 'shape' in value) {
    return { shape: value.shape as readonly number[], data: value.dataSync() as ArrayLike<number> };
  }
  if ('dims' in value && Array.isArray(value.dims) && 'data' in value && isTypedArray(value.data)) {
    return { shape: value.dims as readonly number[], data: value.data };
  }
  return null;
}

function rebuildTensor(data: Float64Array, shape: readonly number[], original: object): unknown {
  if (!('type' in original && 'data' in original)) return { shape, data };
  const makeTensor = original.constructor as new (
    type: unknown,
    data: unknown,
    dims: readonly number[],
  ) => unknown;
  const makeData = (original.data as TypedArray).constructor as new (data: Float64Array) => unknown;
  return new makeTensor(original.type, new makeData(data), shape);
}
