/**
 * Bytes in a page of WebAssembly. It addresses 4 GiB; the last page is not used, since addresses wrap around
 * at its end.
 */
export const PAGE = 2 ** 16;
const MAX_PAGES = 2 ** 16 - 1;

/** Modules by their bytes; null for those that cannot be compiled. */
const compiled = new Map<string, WebAssembly.Module | null>();

/**
 * Compiles a module of kernels, once.
 *
 * @param bytes - in hexadecimal
 * @returns null if there is no WebAssembly with SIMD
 */
export function compileKernels(bytes: string): WebAssembly.Module | null {
  let module = compiled.get(bytes);
  if (module === undefined) compiled.set(bytes, (module = compile(bytes)));
  return module;
}

function compile(bytes: string): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(Uint8Array.from(bytes.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
  } catch {
    // No WebAssembly, no SIMD, or a content security policy against it.
    return null;
  }
}

/**
 * Instantiates kernels on their own memory, allocated at once, since growth would detach every view.
 *
 * @param bytes - of the module, in hexadecimal
 * @param size - of the memory, in bytes
 * @returns null if there is no WebAssembly with SIMD, or not enough memory
 */
export function kernelsOnMemory(bytes: string, size: number): KernelMemory | null {
  const pages = Math.ceil(size / PAGE);
  if (compileKernels(bytes) === null || pages > MAX_PAGES) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const exports = kernelsIn(bytes, memory);
    return exports && { memory, buffer: memory.buffer, exports };
  } catch {
    // The memory cannot be allocated.
    return null;
  }
}

/** A memory, and the functions of a module that works on it. */
export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  readonly buffer: ArrayBuffer;
  readonly exports: WebAssembly.Exports;
}

/** Instantiates a module of kernels on a memory; null if there is no WebAssembly with SIMD, or not enough memory. */
export function kernelsIn(bytes: string, memory: WebAssembly.Memory): WebAssembly.Exports | null {
  const module = compileKernels(bytes);
  try {
    return module && new WebAssembly.Instance(module, { host: { memory } }).exports;
  } catch {
    return null;
  }
}
