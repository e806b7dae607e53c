import * as tf from '@tensorflow/tfjs';
import { conv2dFilterGradient } from './conv2dFilterGradient.ts';
import { quickConv2dInputGradient } from './conv2dInputGradient.ts';
import { conv3dFilterGradient, conv3dInputGradient } from './conv3dGradients.ts';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwiseGradients.ts';
import { maxPool3d, maxPool3dGradient, maxPoolGradient, maxPoolWithArgmax } from './maxPooling.ts';
import { quickMatMul } from './matMul.ts';
import { unsortedSegmentSum } from './segmentSum.ts';

/** A kernel with typed arguments; tfjs types the inputs and attributes of kernels only by name. */
type Kernel<Arguments> = (args: Arguments) => tf.Tensor | tf.Tensor[];
const kernel = <Arguments>(kernelFunc: Kernel<Arguments>) => kernelFunc as unknown as tf.KernelFunc;

/** Kernels that gradients need and the wasm backend of tfjs lacks. */
const missing: readonly [name: string, kernelFunc: tf.KernelFunc][] = [
  ['Conv2DBackpropFilter', kernel(conv2dFilterGradient)],
  ['DepthwiseConv2dNativeBackpropFilter', kernel(depthwiseFilterGradient)],
  ['DepthwiseConv2dNativeBackpropInput', kernel(depthwiseInputGradient)],
  ['UnsortedSegmentSum', kernel(unsortedSegmentSum)],
];

/** Kernels of the wasm backend that are wrong; see each replacement. */
const wrong: typeof missing = [
  ['Conv3DBackpropInputV2', kernel(conv3dInputGradient)],
  ['Conv3DBackpropFilterV2', kernel(conv3dFilterGradient)],
  ['MaxPoolGrad', kernel(maxPoolGradient)],
  ['MaxPoolWithArgmax', kernel(maxPoolWithArgmax)],
  ['MaxPool3D', kernel(maxPool3d)],
  ['MaxPool3DGrad', kernel(maxPool3dGradient)],
];

let enabled = false;

/**
 * Makes convolutions and embeddings trainable on the wasm backend: adds the missing kernels of their
 * gradients, composed of existing ones. It also multiplies transposed matrices by transposing them first,
 * which is up to twenty times as fast, and corrects kernels that are silently wrong: the gradients of max
 * pooling of entirely negative windows, and those of 3-D convolutions.
 *
 * It covers conv1d, conv2d, depthwise, separable and transposed convolutions and embeddings. Other backends
 * are not affected; calling it again does nothing.
 *
 * @throws Error if the wasm backend has not been imported
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import '@tensorflow/tfjs-backend-wasm';
 * import { enableWasmConv } from 'quasi-newton/tfjs';
 *
 * await tf.setBackend('wasm');
 * enableWasmConv();
 * ```
 *
 * @see tfjs issues 8474 and 8082
 */
export function enableWasmConv(): void {
  if (enabled) return;
  const matMul = tf.getKernel('BatchMatMul', 'wasm');
  if (!matMul) {
    throw new Error(
      "enableWasmConv: there is no wasm backend; import '@tensorflow/tfjs-backend-wasm' first.",
    );
  }
  for (const [kernelName, kernelFunc] of missing) {
    // A later version of tfjs may have the kernel, which is then better.
    if (!tf.getKernel(kernelName, 'wasm')) {
      tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc });
    }
  }
  replace('BatchMatMul', quickMatMul(matMul.kernelFunc));
  const { kernelFunc: inputGradient } = tf.getKernel('Conv2DBackpropInput', 'wasm');
  replace('Conv2DBackpropInput', quickConv2dInputGradient(inputGradient));
  for (const [kernelName, kernelFunc] of wrong) replace(kernelName, kernelFunc);
  enabled = true;
}

function replace(kernelName: string, kernelFunc: tf.KernelFunc): void {
  const { setupFunc, disposeFunc } = tf.getKernel(kernelName, 'wasm');
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc,
    ...(setupFunc && { setupFunc }),
    ...(disposeFunc && { disposeFunc }),
  });
}
