/**
 * Scopes and the gradient tape.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** A scope of `tf.tidy`: its tensors are disposed of when it ends. */
interface Scope {
  readonly id: number;
  readonly track: (tf.Tensor & { kept: boolean; scopeId: number })[];
}

/** An operation on the gradient tape. */
export interface TapeNode {
  readonly inputs: tf.NamedTensorMap;
  readonly outputs: readonly tf.Tensor[];
  /** Tensors that its gradient will need. */
  readonly saved?: tf.Tensor[];
}

/** Private state of the engine. */
interface EngineState {
  activeScope: Scope | null;
  /** Undefined before the first gradient. */
  activeTape?: TapeNode[] | null;
  gradientDepth: number;
}

export const engineState = (): EngineState => (tf.engine() as unknown as { state: EngineState }).state;

/** Returns the id of the next tensor. */
export const nextTensorId = (): number =>
  (tf.engine().constructor as unknown as { nextTensorId: number }).nextTensorId;

/** Returns the innermost open `tf.tidy`, or null. */
export function currentScope(): Scope | null {
  return engineState().activeScope;
}

/** Returns the scalars, other than `value`, that the current scope was told to keep: a closure's metrics. */
export function keptScalars(value: tf.Tensor | null): tf.Tensor[] {
  return currentScope()?.track.filter((tensor) => tensor.kept && tensor.rank === 0 && tensor !== value) ?? [];
}

/** Returns kept tensors to a scope, which then disposes them; returns the tensors that remain: none. */
export function giveToScope(scope: Scope, tensors: readonly tf.Tensor[]): tf.Tensor[] {
  for (const tensor of tensors as Scope['track']) {
    tensor.kept = false;
    tensor.scopeId = scope.id;
    scope.track.push(tensor);
  }
  return [];
}

/**
 * Disposes tensors that the gradient tape kept for an evaluation that threw; tfjs never releases them.
 */
export function discardTape(): void {
  const state = engineState();
  if (state.gradientDepth > 0 || !state.activeTape) return;
  for (const { saved } of state.activeTape) if (saved) tf.dispose(saved);
  state.activeTape = null;
}

/**
 * Returns the nodes of a gradient tape in an order in which every tensor is created before it is used.
 *
 * If a gradient needs an output of its operation (tanh, exp, softmax, …), TensorFlow.js saves a copy of the
 * output, and records the copying before the operation itself. A second differentiation reads the tape
 * forwards, finds copies of tensors that have not been created yet, and treats them as constants. This is why
 * its second derivatives are silently wrong (tfjs issues 3252, 227); with the nodes in the right order they
 * are correct.
 */
export function orderedTape(tape: readonly TapeNode[]): TapeNode[] {
  const makers = new Map<number, TapeNode>();
  for (const node of tape) for (const { id } of node.outputs) if (!makers.has(id)) makers.set(id, node);
  const ordered = new Set<TapeNode>();
  /** Nodes found before the producer of one of their inputs, by that producer. */
  const waiting = new Map<TapeNode, TapeNode[]>();
  const place = (node: TapeNode): void => {
    const maker = Object.values(node.inputs)
      .map((input) => input && makers.get(input.id))
      .find((made) => made && made !== node && !ordered.has(made));
    if (maker) {
      waiting.set(maker, [...(waiting.get(maker) ?? []), node]);
      return;
    }
    ordered.add(node);
    for (const waiter of waiting.get(node) ?? []) place(waiter);
  };
  for (const node of tape) place(node);
  // Nodes that wait for each other keep their order.
  for (const node of tape) ordered.add(node);
  return [...ordered];
}
