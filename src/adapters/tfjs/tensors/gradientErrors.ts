import { secondOrderEnabled } from '../internals/secondOrderEnabled.ts';

/** Error messages of TensorFlow.js that do not say what to do, with messages that do. */
const explanations: readonly { readonly text: RegExp; readonly sentence: (match: string[]) => string }[] = [
  {
    text: /^Cannot find a connection/,
    sentence: () =>
      'The loss does not depend on any of the variables: compute it from them with operations of TensorFlow.js, not from numbers read out of them (dataSync), nor from copies.',
  },
  {
    text: /gradient function not found for (\w+)/,
    sentence: ([, kernel]) =>
      `The loss uses ${kernel}, for which TensorFlow.js has no gradient${secondOrderEnabled() ? '' : '; enableSecondOrder() of quasi-newton/tfjs adds a few: of comparisons, of transposed 3-D convolution, and for nested gradients those of convolution and pooling'}.`,
  },
  {
    text: /Kernel '(\w+)' not registered for backend 'wasm'|Cannot find registered kernel '(\w+)' for backend 'wasm'/,
    sentence: ([, registered, found]) =>
      `The wasm backend of TensorFlow.js has no kernel ${registered ?? found}, which this loss or its gradient needs. Call enableWasmConv() of quasi-newton/tfjs once after tf.setBackend('wasm'): it adds the kernels for training convolutions and embeddings. Or use another backend: await tf.setBackend('cpu').`,
  },
];

/** Returns the error of a gradient, extended by what to do if TensorFlow.js does not say it. */
export function explainGradientError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  for (const { text, sentence } of explanations) {
    const match = text.exec(error.message);
    if (match) return new Error(sentence(match), { cause: error });
  }
  return error;
}
