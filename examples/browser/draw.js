/** Draws the two figures of the page as SVG. */

const NAMESPACE = 'http://www.w3.org/2000/svg';
const MARGIN = { left: 44, right: 12, top: 10, bottom: 26 };

/** @type {(name: string, attributes: Record<string, string | number>, text?: string) => SVGElement} */
function element(name, attributes, text) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Returns the linear map from [from, to] to [start, end].
 *
 * @type {(from: number, to: number, start: number, end: number) => (value: number) => number}
 */
const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);

/** @param {SVGElement} svg */
function frame(svg) {
  const [, , width, height] = /** @type {string} */ (svg.getAttribute('viewBox')).split(' ').map(Number);
  return {
    left: MARGIN.left,
    right: width - MARGIN.right,
    top: MARGIN.top,
    bottom: height - MARGIN.bottom,
  };
}

/** @type {(points: [number, number][], key: string) => SVGElement} */
const curve = (points, key) =>
  element('polyline', {
    class: key,
    points: points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' '),
  });

/**
 * Draws losses on a logarithmic axis.
 *
 * @param {SVGElement} svg
 * @param {{ key: string, path: { evaluations: number, loss: number }[] }[]} learners
 * @param {number} total - evaluations at the right end
 */
export function drawLosses(svg, learners, total) {
  const { left, right, top, bottom } = frame(svg);
  const losses = learners.flatMap(({ path }) => path.map(({ loss }) => loss));
  const highest = Math.ceil(Math.log10(Math.max(...losses)));
  const lowest = Math.min(highest - 2, Math.floor(Math.log10(Math.min(...losses))));
  const across = scale(0, total, left, right);
  const up = scale(lowest, highest, bottom, top);
  const parts = [];
  for (let decade = lowest; decade <= highest; decade++) {
    const at = up(decade);
    parts.push(element('line', { class: 'grid', x1: left, x2: right, y1: at, y2: at }));
    parts.push(element('text', { x: left - 6, y: at + 4, 'text-anchor': 'end' }, `1e${decade}`));
  }
  for (let i = 0; i <= 5; i++) {
    const evaluations = (total * i) / 5;
    parts.push(
      element(
        'text',
        { x: across(evaluations), y: bottom + 18, 'text-anchor': i === 5 ? 'end' : 'middle' },
        String(evaluations),
      ),
    );
  }
  for (const { key, path } of learners) {
    parts.push(
      curve(
        path.map(({ evaluations, loss }) => [across(evaluations), up(Math.log10(loss))]),
        key,
      ),
    );
  }
  svg.replaceChildren(...parts);
}

/**
 * Draws the data and a curve for each learner.
 *
 * @param {SVGElement} svg
 * @param {ArrayLike<number>} inputs
 * @param {ArrayLike<number>} targets
 * @param {{ key: string, values: ArrayLike<number> }[]} fits
 */
export function drawFits(svg, inputs, targets, fits) {
  const { left, right, top, bottom } = frame(svg);
  const across = scale(inputs[0], inputs[inputs.length - 1], left, right);
  const up = scale(-1.7, 1.7, bottom, top);
  const indices = Array.from(inputs, (_, i) => i);
  const parts = [-1, 0, 1].flatMap((value) => [
    element('line', { class: 'grid', x1: left, x2: right, y1: up(value), y2: up(value) }),
    element('text', { x: left - 6, y: up(value) + 4, 'text-anchor': 'end' }, String(value)),
  ]);
  for (const i of indices) {
    parts.push(element('circle', { class: 'data', cx: across(inputs[i]), cy: up(targets[i]), r: 3.5 }));
  }
  for (const { key, values } of fits) {
    parts.push(
      curve(
        indices.map((i) => [across(inputs[i]), up(values[i])]),
        key,
      ),
    );
  }
  svg.replaceChildren(...parts);
}
