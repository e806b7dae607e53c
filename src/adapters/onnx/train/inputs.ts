import { dtypeName, type DType } from '../ir/tensor.ts';
import type { Differentiated } from '../differentiate.ts';
import type { Shape } from '../ir/shape.ts';

/** An input of a model, or a target of its loss. */
export interface InputSpec {
  readonly name: string;
  /** Element type, as named by ONNX Runtime: `'float32'`, `'int64'`, … */
  readonly dtype: string;
  /**
   * Sizes, or symbols for sizes that may vary; equal symbols are equal sizes. Absent if not even the rank is
   * fixed.
   */
  readonly shape?: Shape | undefined;
  /** Class indices must be whole numbers in [0, classes). */
  readonly classes?: number | undefined;
  /** An index to ignore, which is also allowed. */
  readonly ignored?: number | undefined;
  /** Every element must be in [min, max]. */
  readonly range?: readonly [number, number] | undefined;
}

/** Describes a value of a graph as an input to feed. */
export const specOf = ({ name, dtype, shape }: { name: string; dtype: DType; shape: Shape | undefined }) => ({
  name,
  dtype: dtypeName(dtype),
  shape,
});

/** Returns the inputs of the model itself. */
export const dataInputs = ({ inputs }: Pick<Differentiated, 'inputs'>): InputSpec[] => inputs.map(specOf);

/** Returns the targets of the loss. */
export const targetInputs = ({ targets }: Pick<Differentiated, 'targets'>): InputSpec[] =>
  targets.map(({ classes, ignored, range, ...target }) => ({
    ...specOf(target),
    ...(classes !== undefined && { classes }),
    ...(ignored !== undefined && { ignored }),
    ...(range !== undefined && { range }),
  }));
