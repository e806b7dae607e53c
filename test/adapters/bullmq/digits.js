// The classifier of handwritten digits of the examples, for workers.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { modelProblem } from 'quasi-newton/tfjs';
import { digits } from '../../../examples/lib/digits.js';
import { digitNet } from '../../../examples/lib/landscapeDigits.js';

/** @param {{ tell?: boolean }} [data] - with `tell`, the parent process hears when an evaluation begins */
export default async function problem({ tell = false } = {}) {
  tf.enableProdMode();
  await tf.setBackend('wasm');
  const { x, y } = digits(0, 50);
  const { fg, p0, params } = modelProblem(digitNet(), x, y);
  return {
    p0,
    params,
    /** @type {import('quasi-newton').Objective} */
    fg(at, gradient) {
      if (tell) process.send?.('begun');
      return fg(at, gradient);
    },
  };
}
