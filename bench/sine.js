import {
  adam,
  bfgs,
  conjugateGradient,
  lbfgs,
  newtonCG,
  sequence,
  slbfgs,
  ssbfgs,
  ssbroyden,
} from 'quasi-newton';
import { sine } from './problems/sine.js';
import { compareSolvers } from './lib/compareSolvers.js';

export const title = 'Every solver on the sine problem';

/** The settings that FluxOptTools.jl used. */
const published = { memory: 15, alphaMax: 0.85, shrink: 0.2, lambda: 5e-4 };

/** The sine problem in float64: median final loss after 500 iterations from ten starts. */
export function run() {
  console.log('1-5-5-1 tanh network, 46 parameters, 100 points, float64; 500 iterations from 10 starts.\n');
  compareSolvers(
    sine,
    [
      { name: 'adam({ learningRate: 0.2 })', solver: adam({ learningRate: 0.2 }) },
      { name: 'adam({ learningRate: 0.05 })', solver: adam({ learningRate: 0.05 }) },
      { name: 'slbfgs, transposed, as published', solver: slbfgs({ ...published, transposed: true }) },
      { name: 'conjugateGradient()', solver: conjugateGradient() },
      { name: 'slbfgs()', solver: slbfgs() },
      { name: 'newtonCG(), differences', solver: newtonCG() },
      { name: 'lbfgs()', solver: lbfgs() },
      {
        name: 'lbfgs({ memory: 100, selfScaling: true })',
        solver: lbfgs({ memory: 100, selfScaling: true }),
      },
      { name: 'bfgs()', solver: bfgs() },
      { name: 'ssbfgs()', solver: ssbfgs() },
      { name: 'ssbroyden()', solver: ssbroyden() },
      { name: 'ssbroyden(), sqrt', solver: ssbroyden(), options: { transform: 'sqrt' } },
      { name: 'ssbroyden(), log', solver: ssbroyden(), options: { transform: 'log' } },
      {
        name: 'adam 100, then ssbroyden(), log',
        solver: sequence({ solver: adam({ learningRate: 0.05 }), iterations: 100 }, ssbroyden()),
        options: { transform: 'log' },
      },
    ],
    { seeds: 10, options: { maxIterations: 500 }, figure: 'loss' },
  );
}
