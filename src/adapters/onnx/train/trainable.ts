import { isLeft, tryCatch as attempt } from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import {
  bind,
  bindTo,
  chain,
  chainEitherK,
  fromEither,
  tryCatch,
  type TaskEither,
} from 'fp-ts/lib/TaskEither.js';
import { show } from '../../../core/options.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { ownFile } from '../ir/model.ts';
import { dtypeName } from '../ir/tensor.ts';
import { openPlanned } from './blocks.ts';
import type { Loaded } from './engine.ts';
import { free } from './giveBack.ts';
import { hessianGraph, keptGraph } from './graphs.ts';
import { onnxModel, type OnnxModel } from './model.ts';
import { planOf, type Plan, type TrainableOptions } from './options.ts';
import type { Ort } from './ort.ts';
import { runningStatistics } from './statistics.ts';
import { storedFile } from './storedFile.ts';
import { differentiateSplit, type Split } from './variants.ts';
import { weightsOf } from './weights.ts';

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/**
 * As {@link trainable}, but returns errors as values: a Left holds an `OnnxError` with every fault of the
 * model, or the RangeError or TypeError that names every wrong option.
 */
export function loadTrainable(
  ort: Ort,
  bytes: Uint8Array,
  options: TrainableOptions,
): TaskEither<Error, OnnxModel> {
  return loadFor({ where: 'loadTrainable', isOnce: false }, ort, bytes, options);
}

/**
 * @param caller - name of the function called; `isOnce` if the task is run only once, so that the copy of the file may be
 *   freed
 */
function loadFor(
  { where, isOnce }: { readonly where: string; readonly isOnce: boolean },
  ort: Ort,
  bytes: Uint8Array,
  options: TrainableOptions,
): TaskEither<Error, OnnxModel> {
  // One copy for all graphs: the caller may change the file later. Others than bytes are refused where they are read.
  const file = bytes instanceof Uint8Array ? ownFile(bytes) : bytes;
  return pipe(
    fromEither(attempt(() => checkOrt(where, ort), asError)),
    chainEitherK(() => attempt(() => planOf(where, options), asError)),
    bindTo('plan'),
    bind('made', ({ plan }) => fromEither(attempt(() => forTraining(file, plan), asError))),
    bind('gradients', ({ plan, made: { differentiated, nodes, split } }) =>
      tryCatch(() => {
        const { bytes, precision } = differentiated;
        return split
          ? openPlanned(ort, split.rest, plan, precision)
          : openPlanned(ort, bytes, plan, precision, nodes);
      }, asError),
    ),
    chain(({ plan, made: { differentiated, split }, gradients }) =>
      tryCatch(() => assembled({ ort, plan, differentiated, split, gradients }, file, isOnce), asError),
    ),
  );
}

/** Assembles a model; if that fails, releases its session. */
async function assembled(
  { ort, plan, differentiated: made, split, gradients }: Omit<Loaded, 'file' | 'weights' | 'running'>,
  bytes: Uint8Array,
  isOnce: boolean,
): Promise<OnnxModel> {
  try {
    const { parameters, precision } = made;
    const weights = weightsOf(ort, parameters, precision);
    const running = runningStatistics(bytes, made, plan.differentiate);
    const { file, differentiated, isApart } = storedFile(bytes, made, weights);
    if (isApart && isOnce) free([bytes]);
    // The same parameters, whatever they will have become when the file is read again.
    const wrt = isApart ? parameters.map(({ name }) => name) : plan.differentiate.wrt;
    const options = Object.assign({}, plan.differentiate, { wrt });
    const again = Object.assign({}, plan, { differentiate: options });
    return onnxModel({ ort, file, weights, running, plan: again, differentiated, split, gradients });
  } catch (error) {
    await gradients.release();
    throw error;
  }
}

function checkOrt(where: string, ort: Ort): void {
  if (typeof ort?.InferenceSession?.create !== 'function') {
    throw new TypeError(
      `${where}: ort must be ONNX Runtime, as imported from 'onnxruntime-node' or 'onnxruntime-web'; got ${show(ort)}.`,
    );
  }
}

function forTraining(bytes: Uint8Array, plan: Plan): Split {
  const { differentiate: options, hessianVector, keep } = plan;
  const made = differentiateSplit(bytes, options, plan);
  // Built again when first needed; built here so that its faults are reported now.
  if (hessianVector) hessianGraph(bytes, options);
  if (keep.length > 0) keptGraph(bytes, options, keep);
  const { parameters, precision, wrtInputs, wrtInner } = made.differentiated;
  const faults = [
    ...wrtInputs.map((name) =>
      fault(
        `trainable: ${JSON.stringify(name)} is an input of the model, fed with data; it cannot be trained.`,
      ),
    ),
    ...wrtInner.map((name) =>
      fault(
        `trainable: ${JSON.stringify(name)} is computed by the model; only constant tensors can be trained.`,
      ),
    ),
    ...parameters
      .filter(({ dtype }) => dtypeName(dtype) !== precision)
      .map(({ name, dtype }) =>
        fault(
          `parameter ${JSON.stringify(name)} is ${dtypeName(dtype)}, but the loss is ${precision}; choose one for both with the option precision.`,
        ),
      ),
  ];
  if (faults.length > 0) throw new OnnxError(faults);
  return made;
}

/**
 * Makes a model trainable: ONNX Runtime computes its loss and gradients with standard ops, and its parameters
 * become one flat vector for every solver.
 *
 * @param ort - `onnxruntime-node` or `onnxruntime-web`, as imported
 * @param bytes - an .onnx file
 * @throws OnnxError naming every node that cannot be differentiated, with its op and the reason
 * @throws RangeError, TypeError naming every wrong option
 *
 * @example
 * ```ts
 * import * as ort from 'onnxruntime-node';
 *
 * const model = await trainable(ort, await readFile('digits.onnx'), { loss: 'softmaxCrossEntropy' });
 * const result = await minimizeAsync(model.problem({ pixels, target }), lbfgs());
 * await writeFile('trained.onnx', model.toBytes());
 * await model.dispose();
 * ```
 */
export async function trainable(ort: Ort, bytes: Uint8Array, options: TrainableOptions): Promise<OnnxModel> {
  const loaded = await loadFor({ where: 'trainable', isOnce: true }, ort, bytes, options)();
  if (isLeft(loaded)) throw loaded.left;
  return loaded.right;
}
