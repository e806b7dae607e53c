// A classifier of handwritten digits that workers evaluate; every machine has this module.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { modelProblem } from 'quasi-newton/tfjs';
import { digits } from './digits.js';
import { digitNet } from './landscapeDigits.js';

/**
 * Returns the loss on all samples, or on one shard of them.
 *
 * @param {{ samples: number }} data
 * @param {import('quasi-newton/bullmq').ShardPlace} place
 */
export default async function problem({ samples }, { shard, shards }) {
  tf.enableProdMode();
  await tf.setBackend('wasm');
  const { x, y } = digits(0, samples);
  const from = Math.floor((samples * shard) / shards);
  const count = Math.floor((samples * (shard + 1)) / shards) - from;
  const problem = modelProblem(digitNet(), x.slice([from, 0], [count, 784]), y.slice([from, 0], [count, 10]));
  // The mean over all samples is the sum of the shards' means, weighted by their sizes.
  return { ...problem, weight: count / samples };
}
