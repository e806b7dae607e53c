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

/** Lays out tensors one after the other, in the given order. */
export function layoutOf(specs: readonly TensorSpec[]): Layout {
  let length = 0;
  const tensors = specs.map(({ name, shape, role }): TensorEntry => {
    const size = sizeOf(shape);
    const entry = { name, shape: [...shape], offset: length, size, ...(role && { role }) };
    length += size;
    return entry;
  });
  return { length, tensors };
}

/** Returns the tensor that contains element `index` of the flat vector. */
export function tensorAt({ tensors }: Layout, index: number): TensorEntry | undefined {
  return tensors.find(({ offset, size }) => index >= offset && index < offset + size);
}
