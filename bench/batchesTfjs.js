// The convolutional network of `batches` in tfjs wasm, at the rates that were best there. Minutes. `npm run bench -- batchesTfjs`
import { runExperiments } from './batches.js';
import { convolutionalInTfjs, stepsPerEpoch } from './lib/batchTasks.js';

export const title = 'Mini-batches in tfjs wasm: SOAP beside Adam';

/** Prints a table: medians over the seeds. */
export const run = () =>
  runExperiments({
    'Digits, convolutional, tfjs wasm': {
      open: convolutionalInTfjs,
      steps: 5 * stepsPerEpoch,
      measures: ['Training loss', 'Held-out loss'],
      runs: [
        ['adam', 1, [0.04]],
        ['adam, β₂ 0.95', 1, [0.04]],
        ['soap', 1, [0.03, 0.04]],
        ['soap', 0.66, [0.03]],
        ['soap', 0.64, [0.03]],
        ['adam, schedule-free', 1, [0.08]],
        ['soap, schedule-free', 1, [0.03]],
        ['soap, schedule-free', 0.6, [0.03]],
      ],
    },
  });
