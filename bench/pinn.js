import { adam, bfgs, lbfgs, levenbergMarquardt, sequence, ssbfgs, ssbroyden } from 'quasi-newton';
import { poisson, poissonError } from './problems/poisson.js';
import { compareSolvers } from './lib/compareSolvers.js';

export const title = 'Solvers on a Poisson PINN';

const warmUp = { solver: adam({ learningRate: 5e-3 }), iterations: 500 };

/** Relative L2 error of the solution, median of ten starts. */
export function run() {
  console.log('−Δu = 2π² sin πx sin πy, 2-32-1 tanh network, 129 parameters, 900 residuals, float64.\n');
  compareSolvers(
    poisson,
    [
      { name: 'ssbroyden() 1000', solver: ssbroyden() },
      { name: 'levenbergMarquardt() 100', solver: levenbergMarquardt(), options: { maxIterations: 100 } },
      { name: 'levenbergMarquardt() 300', solver: levenbergMarquardt(), options: { maxIterations: 300 } },
      {
        name: 'adam 500, ssbroyden() 3000',
        solver: sequence(warmUp, ssbroyden()),
        options: { maxIterations: 3500 },
      },
      { name: 'ssbfgs() 1000', solver: ssbfgs() },
      { name: 'adam 3000', solver: adam({ learningRate: 5e-3 }), options: { maxIterations: 3000 } },
      { name: 'lbfgs() 1000', solver: lbfgs() },
      { name: 'lbfgs, m 100, self-scaled, 1000', solver: lbfgs({ memory: 100, selfScaling: true }) },
      { name: 'bfgs() 1000', solver: bfgs() },
      { name: 'bfgs() 1000, log', solver: bfgs(), options: { transform: 'log' } },
    ],
    { seeds: 10, options: { maxIterations: 1000 }, figure: 'error', judge: ({ x }) => poissonError(x) },
  );
}
