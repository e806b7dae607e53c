/**
 * Scopes and the gradient tape.
 *
 * The files of this folder touch what TensorFlow.js keeps private, and no others do: checked against 4.22, and
 * by a test that fails when a part is gone.
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

/** The id that the next tensor will have. */
export const nextTensorId = (): number =>
  (tf.engine().constructor as unknown as { nextTensorId: number }).nextTensorId;

/** The innermost `tf.tidy` that is open, or null. */
export function currentScope(): Scope | null {
  return engineState().activeScope;
}

/** Scalars other than `value`, if there is one, that the scope open now has been told to keep: a closure's metrics. */
export function keptScalars(value: tf.Tensor | null): tf.Tensor[] {
  return currentScope()?.track.filter((tensor) => tensor.kept && tensor.rank === 0 && tensor !== value) ?? [];
}

/** Makes tensors that were kept the business of a scope again; returns those that are left: none. */
export function giveToScope(scope: Scope, tensors: readonly tf.Tensor[]): tf.Tensor[] {
  for (const tensor of tensors as Scope['track']) {
    tensor.kept = false;
    tensor.scopeId = scope.id;
    scope.track.push(tensor);
  }
  return [];
}

/**
 * Disposes what the gradient tape kept for an evaluation that threw; tfjs leaves it until its process ends.
 */
export function discardTape(): void {
  const state = engineState();
  if (state.gradientDepth > 0 || !state.activeTape) return;
  for (const { saved } of state.activeTape) if (saved) tf.dispose(saved);
  state.activeTape = null;
}

/**
 * The nodes of a gradient tape in an order in which every tensor is made before it is used.
 *
 * Where a gradient needs an output of its operation (tanh, exp, softmax, …), TensorFlow.js saves a copy of it, and
 * records the copying before the operation itself. A second differentiation reads the tape forwards, finds
 * copies of tensors that nothing has made yet, and takes them for constants: the reason why its second derivatives
 * are silently wrong (tfjs issues 3252, 227). In the right order they are right.
 */
export function orderedTape(tape: readonly TapeNode[]): TapeNode[] {
  const makers = new Map<number, TapeNode>();
  for (const node of tape) for (const { id } of node.outputs) if (!makers.has(id)) makers.set(id, node);
  const ordered = new Set<TapeNode>();
  /** Nodes met before the maker of one of their inputs, by that maker. */
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
  // Two nodes that wait for each other stay in the order they were in.
  for (const node of tape) ordered.add(node);
  return [...ordered];
}
