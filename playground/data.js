import { numberOf, readCSV } from '../bin/lib/csv.js';

/**
 * Samples to learn from. Targets are numbers, `[samples, outputs]`, or classes, `[samples]`.
 *
 * @typedef {object} Data
 * @property {'numbers' | 'classes'} kind
 * @property {number} samples
 * @property {number} inputs - numbers per sample
 * @property {number} outputs - numbers to predict, or number of classes
 * @property {Float32Array} x - `[samples, inputs]`
 * @property {Float32Array} y
 * @property {Pick<Data, 'samples' | 'x' | 'y'>} [held] - samples that are not trained on
 * @property {readonly string[]} [names] - of the classes
 */

/** A curve with two frequencies. @returns {Data} */
export function sine() {
  const x = Float32Array.from({ length: 120 }, (_, i) => -2 + (4 * i) / 119);
  const y = x.map((t) => Math.sin(3 * t) + 0.4 * Math.cos(7 * t));
  return { kind: 'numbers', samples: 120, inputs: 1, outputs: 1, x, y };
}

/** Two interleaved spirals, which no straight line separates. @returns {Data} */
export function spirals() {
  const samples = 200;
  const x = new Float32Array(2 * samples);
  for (let i = 0; i < samples; i++) {
    const angle = 0.6 + (2.6 * Math.PI * (i >> 1)) / (samples / 2);
    const turned = angle + Math.PI * (i % 2);
    x.set([(angle / 6) * Math.cos(turned), (angle / 6) * Math.sin(turned)], 2 * i);
  }
  const y = Float32Array.from({ length: samples }, (_, i) => i % 2);
  return { kind: 'classes', samples, inputs: 2, outputs: 2, x, y };
}

/** Handwritten digits of MNIST, 14 × 14 pixels; a fifth is held out. @returns {Promise<Data>} */
export async function digits() {
  const { default: base64 } = await import('virtual:digits');
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const inputs = 196;
  const all = bytes.length / inputs;
  const samples = Math.round(0.8 * all);
  const x = Float32Array.from(bytes, (byte) => byte / 255);
  const y = Float32Array.from({ length: all }, (_, i) => i % 10);
  return {
    kind: 'classes',
    samples,
    inputs,
    outputs: 10,
    x: x.subarray(0, samples * inputs),
    y: y.subarray(0, samples),
    held: { samples: all - samples, x: x.subarray(samples * inputs), y: y.subarray(samples) },
  };
}

/**
 * Reads a table with a header. A target column of words gives classes; inputs, and numbers as targets, are scaled to
 * mean 0 and standard deviation 1.
 *
 * @param {string} text - comma-separated values
 * @param {string} [target] - name of the column to predict; the last by default
 * @returns {Data}
 * @throws Error with a sentence for the user
 */
export function table(text, target) {
  const [header, ...rows] = readCSV(text);
  if (!header || rows.length < 2) throw new Error('The table needs a header and two rows at least.');
  const names = header.fields;
  const at = target === undefined ? names.length - 1 : names.indexOf(target);
  if (at < 0) throw new Error(`There is no column ${JSON.stringify(target)}; there are ${names.join(', ')}.`);
  if (names.length < 2) throw new Error('The table needs a column to predict, and one to predict it from.');
  const columns = names.flatMap((_, column) => (column === at ? [] : [column]));
  const x = scaled(columns.map((column) => rows.map((row) => field(row, column, names))));
  const answers = rows.map(({ fields }) => fields[at]);
  const shared = { samples: rows.length, inputs: columns.length, x };
  if (answers.every((answer) => Number.isFinite(numberOf(answer))))
    return { kind: 'numbers', outputs: 1, y: scaled([answers.map(Number)]), ...shared };
  const classes = [...new Set(answers)].sort();
  if (classes.length > 50)
    throw new Error(
      `Column ${JSON.stringify(names[at])} holds ${classes.length} different words; 50 classes are the most.`,
    );
  const y = Float32Array.from(answers, (answer) => classes.indexOf(answer));
  return { kind: 'classes', outputs: classes.length, names: classes, y, ...shared };
}

/** @type {(row: { line: number, fields: string[] }, column: number, names: string[]) => number} */
function field({ line, fields }, column, names) {
  const value = numberOf(fields[column]);
  if (Number.isFinite(value)) return value;
  throw new Error(
    `Line ${line}, column ${JSON.stringify(names[column])}: ${JSON.stringify(fields[column])} is not a number.`,
  );
}

/**
 * Joins columns, each scaled to mean 0 and standard deviation 1.
 *
 * @param {readonly (readonly number[])[]} columns
 */
function scaled(columns) {
  const samples = columns[0].length;
  const out = new Float32Array(samples * columns.length);
  for (const [k, column] of columns.entries()) {
    const mean = column.reduce((a, b) => a + b, 0) / samples;
    const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples) || 1;
    for (const [i, value] of column.entries()) out[i * columns.length + k] = (value - mean) / deviation;
  }
  return out;
}
