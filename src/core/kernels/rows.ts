/** A stored vector, `[n]`. */
export type Row = Float64Array | Float32Array;

/** In how many bytes a number is stored; sums are float64 whatever this is. */
export type Storage = 'float64' | 'float32';

/** The arrays of each storage. */
export const arrays = { float64: Float64Array, float32: Float32Array };

/**
 * From so many numbers a row on, the kernels are faster than plain loops by more than their memory costs to
 * set up.
 */
export const KERNEL_LENGTH = 256;
