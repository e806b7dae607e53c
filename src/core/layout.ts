/** What a tensor is in its network; recipes read it to normalise directions filter by filter. */
export interface TensorRole {
  readonly kind: 'weight' | 'bias' | 'norm' | 'embedding' | 'slope' | 'other';
  /**
   * The axes that number the filters: one filter is the slice at one index along each of them.
   * `[3]` for a tfjs conv2d kernel `[h, w, in, out]`, `[0]` for an ONNX Conv weight `[out, in, h, w]`.
   * Absent where there are none.
   */
  readonly filterAxes?: readonly number[];
}

/** Where one tensor lies in the flat vector. */
export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of its first element in the flat vector. */
  readonly offset: number;
  /** Number of elements: the product of `shape`, 1 for a scalar. */
  readonly size: number;
  readonly role?: TensorRole;
}

/** How named tensors lie one after the other, each row-major, in one flat vector of length `length`. */
export interface Layout {
  readonly length: number;
  readonly tensors: readonly TensorEntry[];
}

/** What {@link layoutOf} needs to know of a tensor. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role?: TensorRole;
}

/** Number of elements of a tensor of that shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Lays tensors out one after the other, in the order given. */
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

/** The tensor in which element `index` of the flat vector lies. */
export function tensorAt({ tensors }: Layout, index: number): TensorEntry | undefined {
  return tensors.find(({ offset, size }) => index >= offset && index < offset + size);
}
