// Mini-batches: seconds to Adam's final training loss, with the number of steps that SOAP needs for it. All methods
// alternate, so that load on the machine affects all of them equally. `npm run bench -- batchTimes`
import { runExperiments } from './batches.js';
import * as tasks from './lib/batchTasks.js';

export const title = "Mini-batches: time to Adam's loss";

const measures = ['Training loss', 'Held-out loss'];

/** Repeats a list of runs. @param {number} times @param {[string, number, number[]][]} runs */
const repeated = (times, runs) => Array.from({ length: times }, () => runs).flat();

/** Prints a table for each network: medians over the seeds and repetitions. */
export const run = () =>
  runExperiments({
    'Digits, 784-128-10, ONNX Runtime': {
      open: tasks.dense,
      steps: 3 * tasks.stepsPerEpoch,
      measures,
      runs: repeated(5, [
        ['adam', 1, [0.03]],
        ['soap', 0.67, [0.04]],
        ['soap, maxSide 32', 0.67, [0.04]],
        ['soap, both sides, maxSide 32', 0.64, [0.03]],
      ]),
    },
    'Digits, convolutional, ONNX Runtime': {
      open: tasks.convolutional,
      steps: 5 * tasks.stepsPerEpoch,
      measures,
      runs: repeated(2, [
        ['adam', 1, [0.04]],
        ['soap', 0.64, [0.03]],
        ['soap', 0.6, [0.03]],
      ]),
    },
    'Digits, convolutional, tfjs wasm': {
      open: tasks.convolutionalInTfjs,
      steps: 5 * tasks.stepsPerEpoch,
      measures,
      runs: [
        ['adam', 1, [0.04]],
        ['soap', 0.64, [0.03]],
        ['soap', 0.6, [0.03]],
      ],
    },
  });
