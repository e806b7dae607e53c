import { DType } from './ir/tensor.ts';
import type { Dimension } from './ir/shape.ts';

/** Element types of an input, as ONNX Runtime names them. */
export type InputType = 'float32' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8';

/** An input to be fed. */
export interface TargetSpec {
  readonly dtype: InputType;
  /**
   * Sizes. A string stands for a size that may vary; equal strings are equal sizes, including those of the
   * model's inputs.
   */
  readonly shape: readonly Dimension[];
}

/** Number of each type in the ONNX format. */
export const dtypes: Readonly<Record<InputType, DType>> = {
  float32: DType.FLOAT,
  float64: DType.DOUBLE,
  int64: DType.INT64,
  int32: DType.INT32,
  bool: DType.BOOL,
  uint8: DType.UINT8,
};

/** Returns true for a size, or a name for a size that may vary. */
export const isSize = (size: unknown): boolean =>
  (typeof size === 'string' && size !== '') || (Number.isInteger(size) && Number(size) >= 0);
