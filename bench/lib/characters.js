import { graph } from 'quasi-newton/onnx';
import { uniform } from '../problems/random.js';

const ALPHABET = '0123456789+-=;abcdefghijklmnopqrstuvwxyz .';
const HIDDEN = 64;

/** Number of characters. */
export const classes = ALPHABET.length;

/**
 * Returns an LSTM of 64 units over one-hot characters, with logits of the next character at each, as an .onnx file.
 *
 * @param {number} seed - of its initial weights
 */
export function characterModel(seed) {
  const random = uniform(seed);
  const bound = 1 / Math.sqrt(HIDDEN);
  const draw = () => bound * (2 * random() - 1);
  const g = graph();
  const x = g.input('x', ['N', 'T', classes]);
  const [W, R, B] = [
    g.weight('lstm.W', [1, 4 * HIDDEN, classes], draw),
    g.weight('lstm.R', [1, 4 * HIDDEN, HIDDEN], draw),
    g.weight('lstm.B', [1, 8 * HIDDEN], draw),
  ];
  const states = g.op('LSTM', [g.transpose(x, [1, 0, 2]), W, R, B], { hidden_size: HIDDEN });
  // From [T, 1, N, H] to [N, T, 1, H], then without the axis of directions.
  const h = g.squeeze(g.transpose(states, [2, 0, 1, 3]), [2]);
  const head = g.weight('head.weight', [HIDDEN, classes], draw);
  g.output('y', g.add(g.matmul(h, head), g.weight('head.bias', [classes], draw)));
  return g.toBytes();
}

/** Words of the sentences, by position. */
const words = [
  ['the old ', 'a quick ', 'my ', 'every ', 'no '],
  ['fox', 'engine', 'river', 'teacher', 'number', 'garden'],
  [' sees ', ' follows ', ' forgets ', ' paints ', ' counts '],
  ['the moon', 'a bridge', 'seven birds', 'old letters', 'nothing'],
];

/**
 * Makes one-hot texts of `length` characters, sentences and sums, with the next character for each.
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
