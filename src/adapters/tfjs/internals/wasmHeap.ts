/**
 * The memory of the wasm backend.
 *
 * The files of this folder touch what TensorFlow.js keeps private, and no others do: checked against 4.22, and
 * by a test that fails when a part is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Entry of the wasm backend for the data of a tensor. */
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
