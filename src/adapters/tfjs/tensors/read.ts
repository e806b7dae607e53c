import * as tf from '@tensorflow/tfjs';

/**
 * The values of a tensor, at once.
 *
 * @throws Error saying what to use instead, where the backend answers later only
 */
export function readNow(tensor: tf.Tensor): Float32Array {
  // In a page webgpu can be read at once, by way of a canvas; it breaks the device sooner or later.
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
    `The backend "${tf.getBackend()}" cannot be read at once here. Use what answers later: await optfunsAsync(…) or modelProblemAsync(…) with minimizeAsync, or fitFullBatchAsync; or another backend, tf.setBackend('wasm').`,
    { cause },
  );
}

/** The values of tensors one after the other, by one concatenation on the backend and one read. */
export async function readJoined(tensors: readonly tf.Tensor[]): Promise<Float32Array> {
  const joined = tf.tidy(() => tf.concat1d(tensors.map((tensor) => tensor.reshape([-1]))));
  try {
    return await joined.data<'float32'>();
  } finally {
    joined.dispose();
  }
}
