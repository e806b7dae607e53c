/** A stored vector, `[n]`. */
export type Row = Float64Array | Float32Array;

/** Storage of the numbers of a row; sums are float64 in any case. */
export type Storage = 'float64' | 'float32';

/** Array types by storage. */
export const arrays = { float64: Float64Array, float32: Float32Array };
