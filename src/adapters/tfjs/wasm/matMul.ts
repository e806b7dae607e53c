import * as tf from '@tensorflow/tfjs';

/**
 * Multiplications from which on a transposition pays. Below, calling one costs more than it saves (measured:
 * a tie at 4096, a gain of five times at 65 536).
 */
const WORTH_TRANSPOSING = 4096;

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * A kernel for products of matrices, `[batch, rows, columns]`, that transposes first where it is told to
 * multiply by a transpose: the wasm backend has fast loops for plain products only.
 */
export function quickMatMul(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { a, b } = args.inputs as unknown as { a: tf.Tensor3D; b: tf.Tensor3D };
    const { transposeA, transposeB } = args.attrs as unknown as MatMulAttributes;
    const columns = b.shape[transposeB ? 1 : 2];
    if (!(transposeA || transposeB) || (a.size / Math.max(1, a.shape[0])) * columns < WORTH_TRANSPOSING) {
      return kernelFunc(args);
    }
    return tf.tidy(() => {
      const plain = { transposeA: false, transposeB: false };
      const [left, right] = [flipped(a, transposeA), flipped(b, transposeB)];
      return tf.engine().runKernel<tf.Tensor>('BatchMatMul', { a: left, b: right }, plain);
    });
  };
}

const flipped = (matrix: tf.Tensor3D, flip: boolean): tf.Tensor3D =>
  flip ? tf.transpose(matrix, [0, 2, 1]) : matrix;
