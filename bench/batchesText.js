// Characters of a text made by the benchmark, by an LSTM: SOAP beside Adam. `npm run bench -- batchesText`
import { runExperiments } from './batches.js';
import { text } from './lib/batchTasks.js';

export const title = 'Mini-batches of text';

/** Prints a table: medians over the seeds. */
export const run = () =>
  runExperiments({
    'Characters, LSTM of 64 units, ONNX Runtime': {
      open: text,
      steps: 200,
      measures: ['Training loss', 'Held-out loss'],
      runs: [
        ['adam', 1, [0.005, 0.01, 0.02, 0.04, 0.08]],
        ['adam, β₂ 0.95', 1, [0.02, 0.04]],
        ['soap', 1, [0.005, 0.01, 0.02, 0.04, 0.08]],
        ['soap, maxSide 32', 1, [0.04, 0.08]],
        ['soap, schedule-free', 1, [0.04]],
      ],
    },
  });
