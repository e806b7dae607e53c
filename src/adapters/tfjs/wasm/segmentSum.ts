import * as tf from '@tensorflow/tfjs';

/** Sums the rows of x, `[rows, …]`, that have the same segment id: the gradient of a row lookup. */
export function unsortedSegmentSum({
  inputs: { x, segmentIds },
  attrs: { numSegments },
}: {
  inputs: { x: tf.Tensor; segmentIds: tf.Tensor1D };
  attrs: { numSegments: number };
}): tf.Tensor {
  const [rows, ids] = [x.dataSync(), segmentIds.dataSync()];
  const width = x.size / Math.max(1, ids.length);
  const sums = new Float32Array(numSegments * width);
  for (let i = 0, at = 0; i < ids.length; i++) {
    // Ids below 0 belong to no segment.
    const to = ids[i] * width;
    if (to < 0) at += width;
    else for (let j = 0; j < width; j++, at++) sums[to + j] += rows[at];
  }
  return tf.tensor(sums, [numSegments, ...x.shape.slice(1)], x.dtype);
}
