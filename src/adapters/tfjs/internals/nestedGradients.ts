/**
 * Gradients inside gradients: `tf.grad` and its relatives called in a loss.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { engineState, nextTensorId, orderedTape, type TapeNode } from './engine.ts';

/** The engine's methods behind all gradients of TensorFlow.js and behind `tf.customGrad`. */
interface GradientEngine {
  gradients: (f: () => tf.Tensor, xs: tf.Tensor[], dy?: tf.Tensor | null, allowNone?: boolean) => object;
  customGrad: (f: CustomForward) => (...inputs: tf.Tensor[]) => tf.Tensor;
}
type CustomForward = (...args: unknown[]) => unknown;

/**
 * Ids [first, last) of the tensors created in the forward part of a `tf.customGrad`, which are not on the
 * tape.
 */
type Unseen = readonly [first: number, last: number];

/**
 * Treatment of a gradient that is taken inside a loss and differentiated again: `'correct'` first puts the
 * tape in order, `'refuse'` throws if TensorFlow.js by itself would lose a part of the derivative.
 */
export type NestedGradients = 'correct' | 'refuse';

/** Error for a nested gradient whose derivative would be wrong. */
export class WrongNestedGradient extends Error {}

let mode: NestedGradients | null = null;

/** Runs `body`; gradients nested in it are either correct or refused with a {@link WrongNestedGradient}. */
export function guardNested<Result>(body: () => Result): Result {
  if (mode !== null) return body();
  const remove = install('refuse');
  try {
    return body();
  } finally {
    remove();
  }
}

/** Makes nested gradients correct from now on, for the whole page. */
export function correctNested(): void {
  if (mode === 'correct') return;
  install('correct');
}

/** Replaces two methods of the engine; returns a function that restores them. */
function install(treatment: NestedGradients): () => void {
  const engine = tf.engine() as unknown as GradientEngine;
  const { gradients, customGrad } = engine;
  /** Number of nested gradients so far. */
  let nested = 0;
  /** Number of calls in progress. */
  let open = 0;
  let unseen: Unseen[] = [];

  engine.gradients = (f, xs, dy, allowNone) => {
    const state = engineState();
    if (state.gradientDepth > 0) nested++;
    else unseen = [];
    const before = nested;
    const forward = (): tf.Tensor => {
      const y = f();
      if (nested > before && y instanceof tf.Tensor) settleTape(treatment, xs, y, unseen);
      return y;
    };
    // A gradient taken in the backward part of another, such as of a checkpoint, would restart the tape.
    const { activeTape: outer } = state;
    const inBackwardPart = state.gradientDepth === 0 && open > 0;
    open++;
    try {
      return gradients.call(engine, forward, xs, dy, allowNone);
    } finally {
      open--;
      if (inBackwardPart) state.activeTape = outer ?? null;
    }
  };
  engine.customGrad = (f) => {
    const watched: CustomForward = (...args) => {
      const first = nextTensorId();
      const result = f(...args);
      unseen.push([first, nextTensorId()]);
      return result;
    };
    return customGrad.call(engine, watched);
  };
  mode = treatment;
  return () => {
    engine.gradients = gradients;
    engine.customGrad = customGrad;
    mode = null;
  };
}

/** Puts the tape in order, or refuses it. @throws WrongNestedGradient if dy/dxs would be incomplete */
function settleTape(
  treatment: NestedGradients,
  xs: readonly tf.Tensor[],
  y: tf.Tensor,
  unseen: readonly Unseen[],
): void {
  const { activeTape: tape } = engineState();
  if (!tape) return;
  const ordered = orderedTape(tape);
  const path = pathNodes(ordered, xs, y);
  if (treatment === 'correct') {
    tape.splice(0, tape.length, ...ordered);
  } else if (pathNodes(tape, xs, y).size < path.size) {
    throw new WrongNestedGradient(
      'The loss contains a gradient (tf.grad or the like), and TensorFlow.js loses a part of the derivative of such a loss. Call enableSecondOrder() of quasi-newton/tfjs once before training: then it is exact.',
    );
  }
  const made = new Set(tape.flatMap(({ outputs }) => outputs.map(({ id }) => id)));
  const hidden = (id: number) => !made.has(id) && unseen.some(([first, last]) => id >= first && id < last);
  for (const { inputs, outputs } of tape) {
    if (!outputs.some(({ id }) => path.leading.has(id))) continue;
    if (Object.values(inputs).some((input) => input && hidden(input.id))) {
      throw new WrongNestedGradient(
        'The loss contains a gradient through a tf.customGrad that keeps a tensor made in its forward part (as tf.losses.softmaxCrossEntropy does): how that tensor depends on its inputs is not recorded, and the derivative of the gradient would lack it. Keep only inputs and the result, or write the operation without tf.customGrad.',
      );
    }
  }
}

/** Returns the nodes on a path from `xs` to `y`, found as in TensorFlow.js, in one pass each way. */
function pathNodes(
  tape: readonly TapeNode[],
  xs: readonly tf.Tensor[],
  y: tf.Tensor,
): { readonly size: number; readonly leading: ReadonlySet<number> } {
  const reached = new Set(xs.map(({ id }) => id));
  const from = new Set<TapeNode>();
  for (const node of tape) {
    if (!Object.values(node.inputs).some((input) => input && reached.has(input.id))) continue;
    from.add(node);
    for (const { id } of node.outputs) reached.add(id);
  }
  const leading = new Set([y.id]);
  let size = 0;
  for (const node of tape.toReversed()) {
    if (!node.outputs.some(({ id }) => leading.has(id))) continue;
    for (const input of Object.values(node.inputs)) if (input) leading.add(input.id);
    if (from.has(node)) size++;
  }
  return { size, leading };
}
