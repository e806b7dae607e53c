/** A stored vector, `[n]`. */
export type Row = Float64Array | Float32Array;

/** Number format of a row; sums are always float64. */
export type Storage = 'float64' | 'float32';

/** Array types by storage. */
export const arrays = { float64: Float64Array, float32: Float32Array };
