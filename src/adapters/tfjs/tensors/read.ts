import * as tf from '@tensorflow/tfjs';

/**
 * Reads the values of a tensor synchronously.
 *
 * @throws Error saying what to use instead, if the backend can only be read asynchronously
 */
export function readNow(tensor: tf.Tensor): Float32Array {
  // In a page, webgpu can be read synchronously through a canvas, but that breaks the device sooner or later.
  if (tf.getBackend() === 'webgpu') throw answersLater();
  try {
    return tensor.dataSync<'float32'>();
  } catch (cause) {
    if (tensor.isDisposed) throw cause;
    throw answersLater(cause);
  }
}

function answersLater(cause?: unknown): Error {
  return new Error(
    `The backend "${tf.getBackend()}" cannot be read synchronously here. Use the asynchronous functions: await optfunsAsync(…) or modelProblemAsync(…) with minimizeAsync, or fitFullBatchAsync; or another backend, tf.setBackend('wasm').`,
    { cause },
  );
}

/**
 * Reads the values of several tensors, one after the other, with one concatenation on the backend and one
 * read.
 */
export async function readJoined(tensors: readonly tf.Tensor[]): Promise<Float32Array> {
  const joined = tf.tidy(() => tf.concat1d(tensors.map((tensor) => tensor.reshape([-1]))));
  try {
    return await joined.data<'float32'>();
  } finally {
    joined.dispose();
  }
}
