// The settings of the playground, and their form in its address.

/**
 * @typedef {object} Settings
 * @property {string} data
 * @property {string} layers - number of hidden layers
 * @property {string} units - units per layer
 * @property {string} activation
 * @property {string[]} solvers
 * @property {string} rate - of Adam and SOAP
 * @property {string} evaluations - of the loss and its gradient, for each solver
 * @property {string} seed
 * @property {string} backend
 */

/** Values of each setting, with their labels; the first is the default. */
export const choices = /** @type {const} */ ({
  data: {
    sine: 'Sine',
    spirals: 'Two spirals',
    digits: 'Handwritten digits',
    table: 'Your own table (.csv)',
  },
  layers: { 2: '2', 1: '1', 3: '3' },
  units: { 16: '16', 4: '4', 8: '8', 32: '32', 64: '64' },
  activation: { tanh: 'tanh', relu: 'ReLU', sigmoid: 'sigmoid' },
  rate: { 0.01: '0.01', 0.001: '0.001', 0.003: '0.003', 0.03: '0.03', 0.1: '0.1' },
  evaluations: { 1000: '1,000', 300: '300', 3000: '3,000', 10000: '10,000' },
  backend: {
    cpu: 'TensorFlow.js (CPU)',
    wasm: 'TensorFlow.js (Wasm)',
    webgl: 'TensorFlow.js (WebGL)',
    onnx: 'ONNX Runtime (Wasm)',
  },
});

/** Solvers, each with its color, which does not depend on the selection. */
export const solvers = /** @type {const} */ ({
  adam: { name: 'Adam', color: '#0072b2' },
  soap: { name: 'SOAP', color: '#cc79a7' },
  conjugateGradient: { name: 'Conjugate gradients', color: '#e69f00' },
  lbfgs: { name: 'L-BFGS', color: '#d55e00' },
  bfgs: { name: 'BFGS', color: '#009e73' },
  ssbroyden: { name: 'SSBroyden', color: '#8a6ee0' },
});

const defaultSolvers = ['adam', 'lbfgs', 'bfgs'];
const maxSeed = 9999;

/** @returns {Settings} */
export const defaults = () => ({
  .../** @type {Omit<Settings, 'solvers' | 'seed'>} */ (
    Object.fromEntries(Object.entries(preferred).map(([key, value]) => [key, value]))
  ),
  solvers: [...defaultSolvers],
  seed: '1',
});

/** Objects put number-like keys into their own order, so the defaults are written out. */
const preferred = {
  data: 'sine',
  layers: '2',
  units: '16',
  activation: 'tanh',
  rate: '0.01',
  evaluations: '1000',
  backend: 'cpu',
};

/**
 * Returns the settings as the fragment of an address, without those that are defaults.
 *
 * @param {Settings} settings
 */
export function toHash(settings) {
  const usual = defaults();
  const parameters = new URLSearchParams();
  for (const key of /** @type {(keyof typeof preferred)[]} */ (Object.keys(preferred)))
    if (settings[key] !== usual[key]) parameters.set(key, settings[key]);
  if (settings.seed !== usual.seed) parameters.set('seed', settings.seed);
  if (settings.solvers.join() !== usual.solvers.join()) parameters.set('solvers', settings.solvers.join('.'));
  return parameters.toString();
}

/**
 * Reads the settings from an address; missing and invalid ones get their defaults.
 *
 * @param {string} hash - with or without its `#`
 * @returns {Settings}
 */
export function fromHash(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const settings = defaults();
  for (const key of /** @type {(keyof typeof preferred)[]} */ (Object.keys(preferred))) {
    const value = parameters.get(key);
    if (value !== null && Object.hasOwn(choices[key], value)) settings[key] = value;
  }
  const named = parameters.get('solvers')?.split('.') ?? [];
  const known = Object.keys(solvers).filter((name) => named.includes(name));
  if (known.length > 0) settings.solvers = known;
  const seed = Number(parameters.get('seed') ?? settings.seed);
  if (Number.isInteger(seed) && seed >= 1 && seed <= maxSeed) settings.seed = String(seed);
  return settings;
}
