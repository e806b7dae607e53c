import { floats, model, node } from '../../examples/lib/mlp.js';
import { uniform } from '../problems/random.js';

const ALPHABET = '0123456789+-=;abcdefghijklmnopqrstuvwxyz .';
const HIDDEN = 64;
/** The number of this type of tensors in ONNX. */
const INT64 = 7;

/** Number of characters. */
export const classes = ALPHABET.length;

/**
 * An LSTM of 64 units over one-hot characters, with logits of the next one at each, as the bytes of an .onnx file.
 *
 * @param {number} seed - of its initial weights
 */
export function characterModel(seed) {
  const random = uniform(seed);
  const bound = 1 / Math.sqrt(HIDDEN);
  const draw = () => bound * (2 * random() - 1);
  return model({
    input: { x: ['N', 'T', classes] },
    output: { y: ['N', 'T', classes] },
    initializer: [
      floats('lstm.W', [1, 4 * HIDDEN, classes], draw),
      floats('lstm.R', [1, 4 * HIDDEN, HIDDEN], draw),
      floats('lstm.B', [1, 8 * HIDDEN], draw),
      floats('head.weight', [HIDDEN, classes], draw),
      floats('head.bias', [classes], draw),
      { name: 'axes', dims: [1n], dataType: INT64, rawData: new Uint8Array(BigInt64Array.of(2n).buffer) },
    ],
    nodes: [
      node('Transpose', ['x'], 'steps', { perm: [1, 0, 2] }),
      node('LSTM', ['steps', 'lstm.W', 'lstm.R', 'lstm.B'], 'states', { hidden_size: HIDDEN }),
      // [T, 1, N, H] to [N, T, 1, H], then without the axis of directions.
      node('Transpose', ['states'], 'ordered', { perm: [2, 0, 1, 3] }),
      node('Squeeze', ['ordered', 'axes'], 'h'),
      node('MatMul', ['h', 'head.weight'], 'scores'),
      node('Add', ['scores', 'head.bias'], 'y'),
    ],
  });
}

/** Words of the sentences, by their place. */
const words = [
  ['the old ', 'a quick ', 'my ', 'every ', 'no '],
  ['fox', 'engine', 'river', 'teacher', 'number', 'garden'],
  [' sees ', ' follows ', ' forgets ', ' paints ', ' counts '],
  ['the moon', 'a bridge', 'seven birds', 'old letters', 'nothing'],
];

/**
 * Texts of `length` characters of sentences and sums, one-hot, each with the character that follows.
 *
 * @param {number} count
 * @param {number} length
 * @param {number} seed
 */
export function characters(count, length, seed) {
  const random = uniform(seed);
  const pick = (/** @type {string[]} */ list) => list[Math.floor(random() * list.length)];
  const sum = () => {
    const [a, b] = [Math.floor(random() * 50), Math.floor(random() * 50)];
    return random() < 0.5 || b > a ? `${a}+${b}=${a + b};` : `${a}-${b}=${a - b};`;
  };
  const sentence = () => (random() < 0.4 ? sum() : `${words.map(pick).join('')}. `);
  const x = new Float32Array(count * length * classes);
  const target = new Int32Array(count * length);
  for (let i = 0; i < count; i++) {
    let text = '';
    while (text.length <= length) text += sentence();
    for (let t = 0; t < length; t++) {
      x[(i * length + t) * classes + ALPHABET.indexOf(text[t])] = 1;
      target[i * length + t] = ALPHABET.indexOf(text[t + 1]);
    }
  }
  return {
    x: { data: x, dims: [count, length, classes] },
    target: { data: target, dims: [count, length] },
  };
}
