import { show } from './options.ts';

/** Role of a tensor in its network; recipes use it to normalize directions filter by filter. */
export interface TensorRole {
  readonly kind: 'weight' | 'bias' | 'norm' | 'embedding' | 'slope' | 'other';
  /**
   * Axes that enumerate the filters: a filter is the slice at one index along each of them. `[3]` for a tfjs
   * conv2d kernel `[h, w, in, out]`, `[0]` for an ONNX Conv weight `[out, in, h, w]`. Absent if there are
   * none.
   */
  readonly filterAxes?: readonly number[];
}

/** Place of one tensor in the flat vector. */
export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of its first element. */
  readonly offset: number;
  /** Number of elements: the product of `shape`, 1 for a scalar. */
  readonly size: number;
  readonly role?: TensorRole;
}

/** Named tensors one after the other, each row-major, in one flat vector of length `length`. */
export interface Layout {
  readonly length: number;
  readonly tensors: readonly TensorEntry[];
}

/** Description of a tensor for {@link layoutOf}. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role?: TensorRole;
}

/** Returns the number of elements of a tensor of that shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/**
 * Lays out tensors one after the other, in the given order.
 *
 * @throws TypeError if a shape is not a list @throws RangeError if a dimension is not a whole number ≥ 0
 */
export function layoutOf(specs: readonly TensorSpec[]): Layout {
  if (!Array.isArray(specs)) {
    throw new TypeError(`layoutOf: tensors must be a list of { name, shape }, got ${show(specs)}.`);
  }
  let length = 0;
  const tensors = specs.map((spec: TensorSpec, k): TensorEntry => {
    checkShape('layoutOf:', spec, k);
    const { name, shape, role } = spec;
    const size = sizeOf(shape);
    const entry = { name, shape: [...shape], offset: length, size, ...(role && { role }) };
    length += size;
    return entry;
  });
  return { length, tensors };
}

/**
 * Checks that the tensors of a layout fill the vector `[n]` one after the other, and have the sizes of their shapes.
 *
 * @param where - begins the message: name of the function that was called
 * @param vector - describes n
 * @throws TypeError if it is not a layout @throws RangeError naming the first number that is wrong
 */
export function checkLayout(where: string, layout: Layout, n: number, vector: string): void {
  if (typeof layout !== 'object' || layout === null || !Array.isArray(layout.tensors)) {
    throw new TypeError(
      `${where}: the layout must be { length, tensors }, as layoutOf returns, got ${show(layout)}.`,
    );
  }
  let end = 0;
  for (const [k, tensor] of (layout.tensors as readonly TensorEntry[]).entries()) {
    checkShape(`${where}: the layout:`, tensor, k);
    const { name, shape, offset, size } = tensor;
    if (sizeOf(shape) !== size) {
      throw new RangeError(
        `${where}: the layout gives ${name} the shape [${shape.join(', ')}] and the size ${show(size)}; it must be ${sizeOf(shape)}.`,
      );
    }
    if (offset !== end) {
      throw new RangeError(
        `${where}: the layout puts ${name} at ${show(offset)}; it must be ${end}, where the tensor before it ends.`,
      );
    }
    end += size;
  }
  if (end !== n || layout.length !== n) {
    throw new RangeError(
      `${where}: the layout has ${end} elements in its tensors and the length ${show(layout.length)}; both must be ${n}, ${vector}.`,
    );
  }
}

function checkShape(where: string, tensor: TensorSpec | null | undefined, k: number): void {
  const name = tensor?.name ?? `tensor ${k}`;
  const shape: unknown = tensor?.shape;
  if (!Array.isArray(shape)) {
    throw new TypeError(
      `${where} the shape of ${name} must be a list of whole numbers ≥ 0, got ${show(shape)}.`,
    );
  }
  if (!shape.every((dimension) => Number.isInteger(dimension) && dimension >= 0)) {
    throw new RangeError(
      `${where} the shape of ${name} is [${shape.join(', ')}]; dimensions must be whole numbers ≥ 0.`,
    );
  }
}

/** Returns the tensor that contains element `index` of the flat vector. */
export function tensorAt({ tensors }: Layout, index: number): TensorEntry | undefined {
  return tensors.find(({ offset, size }) => index >= offset && index < offset + size);
}

/** Returns ` (of "name")` for the tensor that contains an element, to follow its index in a message; empty without a layout. */
export function ofTensor(layout: Layout | undefined, index: number): string {
  const tensor = layout && tensorAt(layout, index);
  return tensor ? ` (of "${tensor.name}")` : '';
}
