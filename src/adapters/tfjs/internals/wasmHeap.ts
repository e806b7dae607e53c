/**
 * The memory of the wasm backend.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Entry of the wasm backend for the data of a tensor. */
interface WasmData {
  readonly id: number;
  /** Offset in the backend's memory, in bytes. */
  readonly memoryOffset: number;
  /** Number of tensors that share these data, including clones and reshapes. */
  readonly refCount: number;
}

/** Private parts of the wasm backend. */
interface WasmBackend {
  readonly wasm: {
    /** The whole memory; a new view after it has grown. */
    readonly HEAPU8: Uint8Array;
    readonly tfjs: {
      disposeData(id: number): void;
      registerTensor(id: number, size: number, memoryOffset: number): void;
    };
  };
  readonly dataIdMap: { has(dataId: object): boolean; get(dataId: object): WasmData };
}

/**
 * Writes `vector[offset + j]` into element j of a variable; returns false if the public interface must be
 * used instead.
 */
export type InPlaceWriter = (variable: tf.Variable, vector: ArrayLike<number>, offset: number) => boolean;

/**
 * Returns a function that writes directly into the memory of variables, or null on backends other than wasm.
 *
 * It takes a tenth of the time of `variable.assign(tensor)`. Only data that no clone or reshape shares are
 * written. The data are registered again, because XNNPACK's kernels keep a packed copy of presumably constant
 * weights until their data are disposed; otherwise, products with the variable would silently use its old
 * values.
 */
export function inPlaceWriter(backend: object = tf.backend()): InPlaceWriter | null {
  if (!isWasmBackend(backend)) return null;
  const { wasm, dataIdMap } = backend;
  let memory = new Float32Array(wasm.HEAPU8.buffer);
  return ({ dataId, size }, vector, offset) => {
    if (!dataIdMap.has(dataId)) return false;
    const { id, memoryOffset, refCount } = dataIdMap.get(dataId);
    if (refCount !== 1) return false;
    // After growth, the memory is a new buffer.
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
