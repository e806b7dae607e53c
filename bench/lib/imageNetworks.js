import { graph } from 'quasi-newton/onnx';

/** @typedef {ReturnType<typeof graph>} Network */
/** @typedef {{ kernel?: number, stride?: number, groups?: number }} Window */

/**
 * Adds a convolution and batch normalization.
 *
 * @param {Network} g
 * @param {string} x
 * @param {number} filters
 * @param {Window} [window]
 */
function normalized(g, x, filters, { kernel = 3, stride = 1, groups = 1 } = {}) {
  const padding = (kernel - 1) / 2;
  return g.batchNorm(g.conv(x, filters, kernel, { padding, stride, groups, bias: false }));
}

/**
 * Returns a classifier of digits with three residual blocks, as the bytes of an .onnx file.
 *
 * @param {number} [seed]
 */
export function residualNetwork(seed = 1) {
  const g = graph({ seed });
  const block = (/** @type {string} */ x, /** @type {number} */ filters, /** @type {number} */ stride) => {
    const first = g.relu(normalized(g, x, filters, { stride }));
    const shortcut = stride === 1 ? x : normalized(g, x, filters, { kernel: 1, stride });
    return g.relu(g.add(normalized(g, first, filters), shortcut));
  };
  const first = g.relu(normalized(g, g.input('x', ['N', 1, 28, 28]), 16));
  return classified(g, block(block(block(first, 16, 1), 32, 2), 64, 2));
}

/**
 * Returns a classifier of digits with three depthwise separable convolutions, as the bytes of an .onnx file.
 *
 * @param {number} [seed]
 */
export function separableNetwork(seed = 1) {
  const g = graph({ seed });
  const layer = (
    /** @type {string} */ x,
    /** @type {number} */ channels,
    /** @type {number} */ filters,
    /** @type {number} */ stride,
  ) => {
    const deep = g.relu(normalized(g, x, channels, { stride, groups: channels }));
    return g.relu(normalized(g, deep, filters, { kernel: 1 }));
  };
  const first = g.relu(normalized(g, g.input('x', ['N', 1, 28, 28]), 16));
  return classified(g, layer(layer(layer(first, 16, 32, 2), 32, 64, 1), 64, 64, 2));
}

/**
 * @param {Network} g
 * @param {string} x
 */
function classified(g, x) {
  g.output('y', g.dense(g.globalAveragePool(x), 10));
  return g.toBytes();
}
