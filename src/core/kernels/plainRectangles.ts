import type { Heap, Matrices, Rectangle, StepSizes } from './matrices.ts';

/** Returns `load` and `move` of matrices in plain loops, in either precision. */
export const plainRectangles = (heap: Heap): Pick<Matrices, 'load' | 'move'> => ({
  load(vector, part, factor, at, width) {
    const { rows, cols, offset, stride } = part;
    for (let i = 0; i < rows; i++) {
      const to = at + i * width;
      const from = offset + i * stride;
      for (let j = 0; j < cols; j++) heap[to + j] = factor * vector[from + j];
    }
  },
  move(x, target, part, at, width, sizes) {
    return heap instanceof Float32Array && target === x
      ? moveRounded(heap, x, part, at, width, sizes)
      : moveExact(heap, x, target, part, at, width, sizes);
  },
});

// Math.max and Math.min cost less here than an absolute value and a branch, and a loop for each case less than one for both.

function moveRounded(
  heap: Heap,
  x: Float64Array,
  { rows, cols, offset, stride }: Rectangle,
  at: number,
  width: number,
  { rate, weightDecay }: StepSizes,
): number {
  let least = 0;
  let most = 0;
  for (let i = 0; i < rows; i++) {
    const from = at + i * width - offset - i * stride;
    const start = offset + i * stride;
    for (let j = start; j < start + cols; j++) {
      const value = x[j];
      const s = rate * (heap[from + j] + weightDecay * value);
      most = Math.max(most, s);
      least = Math.min(least, s);
      x[j] = Math.fround(value - s);
    }
  }
  return Math.max(most, -least);
}

function moveExact(
  heap: Heap,
  x: Float64Array,
  target: Float64Array,
  { rows, cols, offset, stride }: Rectangle,
  at: number,
  width: number,
  { rate, weightDecay }: StepSizes,
): number {
  let least = 0;
  let most = 0;
  for (let i = 0; i < rows; i++) {
    const from = at + i * width - offset - i * stride;
    const start = offset + i * stride;
    for (let j = start; j < start + cols; j++) {
      const s = rate * (heap[from + j] + weightDecay * x[j]);
      most = Math.max(most, s);
      least = Math.min(least, s);
      target[j] -= s;
    }
  }
  return Math.max(most, -least);
}
