/**
 * Compiles a module of kernels.
 *
 * @param bytes - in hexadecimal
 * @returns null where there is no WebAssembly with SIMD
 */
export function compileKernels(bytes: string): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(Uint8Array.from(bytes.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
  } catch {
    // No WebAssembly, no SIMD, or a content security policy against it.
    return null;
  }
}
