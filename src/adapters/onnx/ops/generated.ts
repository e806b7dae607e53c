/**
 * Ops that make constants of signal processing from integers.
 *
 * @module
 */
import type { InferRule } from '../ir/facts.ts';
import type { OpTable } from '../ir/op.ts';
import { unknownDimension, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { flat } from '../ir/vjp.ts';

const made =
  (shape: (sizes: (i: number) => Dimension) => readonly Dimension[]): InferRule =>
  (c) => [
    {
      dtype: c.attributes.int('output_datatype', DType.FLOAT),
      shape: shape((i) => c.contents(i)?.[0] ?? unknownDimension()),
    },
  ];

const window = { infer: made((size) => [size(0)]) };

/** Windows `[size]`, and the matrix that takes a spectrum to mel frequencies, `[frequencies, bins]`. */
export const generated: OpTable = {
  HannWindow: window,
  HammingWindow: window,
  BlackmanWindow: window,
  // Its frequencies are rounded down to whole bins: the matrix is constant between steps.
  MelWeightMatrix: {
    vjp: flat,
    infer: made((size) => {
      const length = size(1);
      return [typeof length === 'number' ? Math.floor(length / 2) + 1 : unknownDimension(), size(0)];
    }),
  },
};
