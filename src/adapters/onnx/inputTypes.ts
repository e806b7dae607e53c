import { DType } from './ir/tensor.ts';
import type { Dimension } from './ir/shape.ts';

/** Element types of an input, as ONNX Runtime names them. */
export type InputType = 'float32' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8';

/** An input to be fed. */
export interface TargetSpec {
  readonly dtype: InputType;
  /** Sizes; a string is one that may vary, and equal strings are equal sizes, those of the model's inputs among them. */
  readonly shape: readonly Dimension[];
}

/** The number that the format has for each type. */
export const dtypes: Readonly<Record<InputType, DType>> = {
  float32: DType.FLOAT,
  float64: DType.DOUBLE,
  int64: DType.INT64,
  int32: DType.INT32,
  bool: DType.BOOL,
  uint8: DType.UINT8,
};

/** True for a size, or the name of one that may vary. */
export const isSize = (size: unknown): boolean =>
  (typeof size === 'string' && size !== '') || (Number.isInteger(size) && Number(size) >= 0);
