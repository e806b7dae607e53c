import * as tf from '@tensorflow/tfjs';

/**
 * Number of multiplications from which on a transposition pays off. Below, calling one costs more than it
 * saves (measured: a tie at 4096, five times as fast at 65 536).
 */
const WORTH_TRANSPOSING = 4096;

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * Returns a kernel for matrix products, `[…, rows, columns]`, that explicitly transposes a factor to be used
 * transposed, because the wasm backend is fast only for plain products.
 */
export function quickMatMul(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { a, b } = args.inputs as unknown as { a: tf.Tensor; b: tf.Tensor };
    const { transposeA, transposeB } = args.attrs as unknown as MatMulAttributes;
    if (!(transposeA || transposeB) || multiplications(a, b, transposeB) < WORTH_TRANSPOSING) {
      return kernelFunc(args);
    }
    return tf.tidy(() => {
      const plain = { transposeA: false, transposeB: false };
      const factors = { a: transposeA ? flipped(a) : a, b: transposeB ? flipped(b) : b };
      return tf.engine().runKernel<tf.Tensor>('BatchMatMul', factors, plain);
    });
  };
}

/** Returns the number of multiplications of one product in the batch. */
function multiplications(a: tf.Tensor, b: tf.Tensor, transposeB: boolean): number {
  const [rows, columns] = a.shape.slice(-2);
  return rows * columns * b.shape[b.rank - (transposeB ? 2 : 1)];
}

/** Exchanges the last two axes. */
function flipped(matrix: tf.Tensor): tf.Tensor {
  const axes = matrix.shape.map((_, i) => i);
  return tf.transpose(matrix, [...axes.slice(0, -2), matrix.rank - 1, matrix.rank - 2]);
}
