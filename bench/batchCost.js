// Time of a step of Adam and of SOAP, compared with the gradient of a mini-batch. `npm run bench -- batchCost`
import { adam, soap } from 'quasi-newton';
import { median, printTable } from '../examples/lib/report.js';
import * as tasks from './lib/batchTasks.js';

export const title = 'Mini-batches: what a step costs';

/** Prints the time of a solver's step beside that of a gradient. */
export async function run() {
  const rows = [];
  for (const [name, open] of Object.entries({
    convolutional: tasks.convolutional,
    '784-128-10': tasks.dense,
  })) {
    const task = await open(1);
    for (const [method, solver] of Object.entries({
      adam: adam(),
      soap: soap(),
      'soap, maxSide 16': soap({ maxSide: 16 }),
      'soap, maxSide 32': soap({ maxSide: 32 }),
      'soap, maxSide 128': soap({ maxSide: 128 }),
      'soap, both sides': soap({ oneSided: false }),
      'soap, both sides, maxSide 32': soap({ oneSided: false, maxSide: 32 }),
    })) {
      const problem = /** @type {import('quasi-newton').AsyncProblem} */ (task.problem());
      const layout = problem.params?.layout;
      const state = solver.init({
        n: problem.p0.length,
        precision: 'float32',
        stochastic: true,
        ...(layout && { layout }),
      });
      state.x.set(problem.p0);
      /** @type {number[][]} */
      const times = [[], []];
      for (let k = 0; k < 150; k++) {
        await problem.nextBatch?.();
        const start = performance.now();
        state.f = await problem.fg(state.x, state.gradient);
        const middle = performance.now();
        /** @type {import('quasi-newton').Solver<any>} */ (solver).step(state).next();
        const end = performance.now();
        if (k < 50) continue;
        times[0].push(middle - start);
        times[1].push(end - middle);
      }
      // The minimum is least affected by other load on the machine.
      const [gradient, step] = times.map((values) => Math.min(...values));
      rows.push([
        `${name}, ${method}`,
        ...times.map((values) => median(values).toFixed(2)),
        gradient.toFixed(2),
        step.toFixed(2),
        (step / gradient).toFixed(2),
      ]);
    }
    await task.close();
  }
  printTable(
    [
      'Digits, batch 128',
      'Gradient, ms',
      'Step beyond it, ms',
      'Gradient, least',
      'Step, least',
      'Ratio of these',
    ],
    rows,
  );
}
