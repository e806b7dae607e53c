// Bitmaps, drawn in the worker.

/** @import { Data } from './data.js' */

/** Colors of the two classes, as red, green and blue. */
const colors = [
  [0, 114, 178],
  [213, 94, 0],
];
/** Half the width of the plane that is shown. */
export const REACH = 1.7;
/** Number of points along a side at which the network is evaluated. */
export const CELLS = 64;

/** Points of the plane at which the network is evaluated, `[CELLS², 2]`, row by row from the top. */
export function planeOfInputs() {
  const at = (/** @type {number} */ i) => REACH * ((2 * (i + 0.5)) / CELLS - 1);
  return Float32Array.from({ length: 2 * CELLS * CELLS }, (_, k) => {
    const cell = k >> 1;
    return k % 2 === 0 ? at(cell % CELLS) : -at(Math.floor(cell / CELLS));
  });
}

/**
 * Draws the plane, colored by class, with the samples on it.
 *
 * @param {Float32Array} scores - of both classes, `[CELLS², 2]`
 * @param {Data} data
 * @param {number} size - pixels
 */
export function classMap(scores, { x, y, samples }, size) {
  const pixels = new ImageData(CELLS, CELLS);
  for (let cell = 0; cell < CELLS * CELLS; cell++) {
    const share = 1 / (1 + Math.exp(scores[2 * cell] - scores[2 * cell + 1]));
    const color = colors[0].map((value, i) => value + share * (colors[1][i] - value));
    pixels.data.set([...color, 150], 4 * cell);
  }
  const small = new OffscreenCanvas(CELLS, CELLS);
  small.getContext('2d')?.putImageData(pixels, 0, 0);
  const { canvas, context } = canvasOf(size, size);
  context.drawImage(small, 0, 0, size, size);
  context.strokeStyle = 'white';
  const place = (/** @type {number} */ value) => (size * (value + REACH)) / (2 * REACH);
  for (let i = 0; i < samples; i++) {
    context.fillStyle = `rgb(${colors[y[i]].join()})`;
    context.beginPath();
    context.arc(place(x[2 * i]), place(-x[2 * i + 1]), size / 90, 0, 7);
    context.fill();
    context.stroke();
  }
  return canvas.convertToBlob();
}

/**
 * Draws held-out digits, each with the predicted class; wrong ones are framed.
 *
 * @param {readonly number[]} guesses
 * @param {NonNullable<Data['held']>} held
 * @param {number} size - width, pixels
 */
export function guessedDigits(guesses, { x, y }, size) {
  const columns = 10;
  const rows = 5;
  const cell = size / columns;
  const { canvas, context } = canvasOf(size, rows * cell * 1.35);
  context.font = `${Math.round(cell / 3.2)}px sans-serif`;
  context.textAlign = 'center';
  for (let i = 0; i < columns * rows; i++) {
    const [left, top] = [(i % columns) * cell, Math.floor(i / columns) * cell * 1.35];
    const pixels = new ImageData(14, 14);
    for (let k = 0; k < 196; k++) pixels.data.set([128, 128, 128, 255 * x[196 * i + k]], 4 * k);
    const small = new OffscreenCanvas(14, 14);
    small.getContext('2d')?.putImageData(pixels, 0, 0);
    context.drawImage(small, left, top, cell, cell);
    const isRight = guesses[i] === y[i];
    context.fillStyle = isRight ? '#808080' : '#d5402b';
    context.fillText(isRight ? String(guesses[i]) : `${guesses[i]} ✗`, left + cell / 2, top + cell * 1.25);
  }
  return canvas.convertToBlob();
}

/** @type {(width: number, height: number) => { canvas: OffscreenCanvas, context: OffscreenCanvasRenderingContext2D }} */
function canvasOf(width, height) {
  const canvas = new OffscreenCanvas(Math.round(width), Math.round(height));
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser draws nothing in a worker: OffscreenCanvas has no 2d context.');
  return { canvas, context };
}
