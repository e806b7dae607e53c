// A landscape that takes seconds, with a checkpoint at the path given: to be killed half-way by checkpoint.test.ts.
import { landscape } from 'quasi-newton/landscape';
import makeProblem from './problem.js';

const problem = makeProblem({ frequency: 2 });
const { fg } = problem;
landscape(
  {
    ...problem,
    fg(x, gradient) {
      const until = performance.now() + 4;
      while (performance.now() < until);
      return fg(x, gradient);
    },
  },
  { npoints: 51, checkpoint: process.argv[2] },
);
