// A PINN whose points are redrawn at each step: Adam, SOAP and Levenberg-Marquardt. `npm run bench -- batchesPinn`
import { runExperiments } from './batches.js';
import { pinn } from './lib/batchTasks.js';

export const title = 'Mini-batches of points of a PINN';

const rates = [0.01, 0.03, 0.1, 0.2, 0.3, 0.5];

/** Prints a table: medians over the seeds. */
export const run = () =>
  runExperiments({
    'Poisson PINN, 129 parameters, float64, 200 points redrawn each step': {
      open: pinn,
      steps: 4000,
      measures: ['L2 error'],
      runs: [
        ['adam', 1, rates],
        ['adam, β₂ 0.95', 1, [0.03, 0.1, 0.2]],
        ['soap', 1, rates],
        ['soap, β₂ 0.99, frequency 2', 1, [0.03, 0.1, 0.2]],
        ['soap', 0.5, [0.1]],
        ['soap, schedule-free', 1, [0.1]],
        ['levenbergMarquardt', 0.025, [0]],
        ['levenbergMarquardt', 0.1, [0]],
      ],
    },
  });
