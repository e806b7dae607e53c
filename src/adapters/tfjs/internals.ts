/**
 * Every private part of TensorFlow.js that this adapter touches, in one place: checked against 4.22, and
 * by a test that fails when one of them is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { allLayers } from './layers.ts';

/** The parts of a LayersModel that have no public name. */
interface ModelInternals {
  optimizer_?: unknown;
  metricsTensors: unknown[];
  readonly layers: tf.layers.Layer[];
  makeTrainFunction(): (data: tf.Tensor[]) => tf.Scalar[];
  standardizeUserDataXY(x: Data, y: Data, checkBatchAxis?: boolean): [tf.Tensor[], tf.Tensor[]];
}

/** Inputs or targets as `model.fit` takes them: a tensor, several, or several by name. */
export type Data = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** What a compiled model hands to its optimizer. */
export interface TrainingClosure {
  /** The model's total loss on the data, regularizers included, dropout and BatchNorm in training mode. */
  readonly loss: () => tf.Scalar;
  readonly variables: tf.Variable[];
}

/** A `Sequential` hands everything on to a model inside it; that is the one to look at. */
function inner(model: tf.LayersModel): ModelInternals {
  const outer = model as unknown as { model?: unknown };
  return (outer.model ?? outer) as ModelInternals;
}

/** Whether `compile` has been called. */
export function isCompiled(model: tf.LayersModel): boolean {
  return inner(model).optimizer_ != null;
}

/**
 * Brings data into the order and shapes of the model's inputs and outputs, as `fit` does.
 *
 * @throws Error in the words of tfjs, where the data do not fit the model
 */
export function standardize(
  model: tf.LayersModel,
  x: Data,
  y: Data,
): { inputs: tf.Tensor[]; targets: tf.Tensor[] } {
  const [inputs, targets] = inner(model).standardizeUserDataXY(x, y, true);
  return { inputs, targets };
}

/**
 * The closure that `fit` would hand to the optimizer for this batch: the train function is run once with an
 * optimizer that keeps the closure and does nothing. Metrics are left out of it.
 */
export function captureTraining(
  model: tf.LayersModel,
  inputs: tf.Tensor[],
  targets: tf.Tensor[],
): TrainingClosure {
  const internals = inner(model);
  const { optimizer_: optimizer } = internals;
  let captured: TrainingClosure | null = null;
  const recorder = {
    minimize(loss: () => tf.Scalar, _returnCost: boolean, variables: tf.Variable[]) {
      captured = { loss, variables };
      return null;
    },
  };
  internals.optimizer_ = recorder;
  try {
    internals.makeTrainFunction()([...inputs, ...targets]);
  } finally {
    internals.optimizer_ = optimizer;
  }
  return captured!;
}

/** Runs `body`, a training closure of the model or something around one, with no metrics computed. */
export function withoutMetrics<Result>(model: tf.LayersModel, body: () => Result): Result {
  const internals = inner(model);
  const { metricsTensors } = internals;
  internals.metricsTensors = [];
  try {
    return body();
  } finally {
    internals.metricsTensors = metricsTensors;
  }
}

/** The parts of a BatchNormalization that have no public name. */
interface BatchNorm {
  momentum: number;
  readonly movingMean: tf.layers.Layer['weights'][number];
  readonly movingVariance: tf.layers.Layer['weights'][number];
}

/** The moving statistics of a model's BatchNorms. */
export interface MovingStatistics {
  readonly variables: tf.Variable[];
  /** Runs `body` so that a run in training mode leaves the statistics of its batch there, and nothing else. */
  readonly replacing: <Result>(body: () => Result) => Result;
}

export function movingStatistics(model: tf.LayersModel): MovingStatistics {
  const layers = [...new Set(allLayers(inner(model).layers))];
  const norms = layers.filter(
    (layer) => layer.getClassName() === 'BatchNormalization' && layer.trainable,
  ) as unknown as BatchNorm[];
  const weights = norms.flatMap(({ movingMean, movingVariance }) => [movingMean, movingVariance]);
  const variables = weights.map((weight) => weight.read() as tf.Variable);
  return {
    variables,
    replacing(body) {
      const momenta = norms.map(({ momentum }) => momentum);
      for (const norm of norms) norm.momentum = 0;
      // old − (old − new)·(1 − momentum) is new to the last bit only where old is 0.
      for (const variable of variables) tf.tidy(() => variable.assign(tf.zerosLike(variable)));
      try {
        return body();
      } finally {
        norms.forEach((norm, i) => (norm.momentum = momenta[i]));
      }
    },
  };
}

/** The parts of a stateful RNN that have no public name. */
interface StatefulRnn {
  stateful?: boolean;
  states_: tf.Tensor[] | null;
  /** Earlier states, kept for backpropagation until `resetStates()`. */
  keptStates: tf.Tensor[][];
}

/** The states of a model's stateful RNNs. */
export interface RecurrentStates {
  /** Whether there are any. */
  readonly some: boolean;
  /** Runs `body` from the states as they were at first; afterwards they are what they were before it. */
  again<Result>(body: () => Result): Result;
}

/** Remembers the states of a model's stateful RNNs as they are now. */
export function recurrentStates(model: tf.LayersModel): RecurrentStates {
  const layers = new Set(allLayers(inner(model).layers)) as unknown as Set<StatefulRnn>;
  const rnns = [...layers].filter((layer) => layer.stateful && 'states_' in layer);
  if (rnns.length === 0) return { some: false, again: (body) => body() };
  // A run in training mode keeps the tensors it began with: they need no copies here.
  const starts = rnns.map(({ states_: states }) => states && [...states]);
  return {
    some: true,
    again(body) {
      const held = rnns.map(({ states_: states, keptStates }) => ({ states, keptStates }));
      rnns.forEach((rnn, i) => {
        rnn.states_ = starts[i] && [...starts[i]];
        rnn.keptStates = [];
      });
      try {
        return body();
      } finally {
        rnns.forEach((rnn, i) => {
          const old = new Set(starts[i]);
          const made = [...rnn.keptStates.flat(), ...(rnn.states_ ?? [])];
          for (const state of made) if (!old.has(state)) state.dispose();
          rnn.states_ = held[i].states;
          rnn.keptStates = held[i].keptStates;
        });
      }
    },
  };
}

/** A scope of `tf.tidy`: its tensors are disposed of when it ends. */
interface Scope {
  readonly id: number;
  readonly track: (tf.Tensor & { kept: boolean; scopeId: number })[];
}

/** An operation on the gradient tape. */
interface TapeNode {
  readonly inputs: tf.NamedTensorMap;
  readonly outputs: readonly tf.Tensor[];
  /** What its gradient will need. */
  readonly saved?: tf.Tensor[];
}

/** What the engine has no public name for. */
interface EngineState {
  activeScope: Scope | null;
  /** Undefined before the first gradient. */
  activeTape?: TapeNode[] | null;
  gradientDepth: number;
}

const engineState = (): EngineState => (tf.engine() as unknown as { state: EngineState }).state;

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
 * Puts the open gradient tape in an order in which every tensor is made before it is used.
 *
 * Where a gradient needs an output of its operation (tanh, exp, softmax, …), tfjs saves a copy of it, and
 * records the copying before the operation itself. A second differentiation reads the tape forwards, finds
 * copies of what is not there yet, and takes them for constants: the reason why second derivatives of tfjs
 * are silently wrong (tfjs issues 3252, 227). In the right order they are right.
 */
export function orderTape(): void {
  const { activeTape: tape } = engineState();
  if (!tape) return;
  const makers = new Map<number, TapeNode>();
  for (const node of tape) for (const { id } of node.outputs) makers.set(id, node);
  const placed = new Set<TapeNode>();
  const place = (node: TapeNode): void => {
    if (placed.has(node)) return;
    placed.add(node);
    for (const input of Object.values(node.inputs)) {
      const maker = input && makers.get(input.id);
      if (maker) place(maker);
    }
    ordered.push(node);
  };
  const ordered: TapeNode[] = [];
  for (const node of tape) place(node);
  tape.splice(0, tape.length, ...ordered);
}

/** What the wasm backend knows of the data of a tensor. */
interface WasmData {
  readonly id: number;
  /** Bytes into its memory. */
  readonly memoryOffset: number;
  /** Tensors that hold these data: clones and reshapes share them. */
  readonly refCount: number;
}

/** The parts of the wasm backend that have no public name. */
interface WasmBackend {
  readonly wasm: {
    /** All of its memory; another view once that has grown. */
    readonly HEAPU8: Uint8Array;
    readonly tfjs: {
      disposeData(id: number): void;
      registerTensor(id: number, size: number, memoryOffset: number): void;
    };
  };
  readonly dataIdMap: { has(dataId: object): boolean; get(dataId: object): WasmData };
}

/** Writes `vector[offset + j]` into element j of a variable; false where that must be done in the public way. */
export type InPlaceWriter = (variable: tf.Variable, vector: ArrayLike<number>, offset: number) => boolean;

/**
 * Returns what writes into the memory of variables, or null on backends other than wasm.
 *
 * It takes a tenth of the time of `variable.assign(tensor)`. Only data that the variable alone holds are
 * written: those of a clone or a reshape that somebody keeps stay as they are. The data are registered anew,
 * since the kernels of XNNPACK keep a packed copy of what they take for constant weights until its data are
 * disposed of; without that, products with the variable would silently stay those of its old values.
 */
export function inPlaceWriter(backend: object = tf.backend()): InPlaceWriter | null {
  if (!isWasmBackend(backend)) return null;
  const { wasm, dataIdMap } = backend;
  let memory = new Float32Array(wasm.HEAPU8.buffer);
  return ({ dataId, size }, vector, offset) => {
    if (!dataIdMap.has(dataId)) return false;
    const { id, memoryOffset, refCount } = dataIdMap.get(dataId);
    if (refCount !== 1) return false;
    // Memory that has grown is elsewhere.
    if (memory.buffer !== wasm.HEAPU8.buffer) memory = new Float32Array(wasm.HEAPU8.buffer);
    copy(vector, offset, memory, memoryOffset / 4, size);
    wasm.tfjs.disposeData(id);
    wasm.tfjs.registerTensor(id, size, memoryOffset);
    return true;
  };
}

/** `target[at + j] ← vector[offset + j]` for j < count. */
function copy(
  vector: ArrayLike<number>,
  offset: number,
  target: Float32Array,
  at: number,
  count: number,
): void {
  for (let j = 0; j < count; j++) target[at + j] = vector[offset + j];
}

function isWasmBackend(backend: object): backend is WasmBackend {
  const { wasm, dataIdMap } = backend as Partial<WasmBackend>;
  return (
    ArrayBuffer.isView(wasm?.HEAPU8) &&
    typeof wasm.tfjs?.disposeData === 'function' &&
    typeof wasm.tfjs.registerTensor === 'function' &&
    typeof dataIdMap?.has === 'function'
  );
}
