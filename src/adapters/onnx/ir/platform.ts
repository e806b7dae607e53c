/** A place where a graph can run. */
export type Platform = 'cpu' | 'wasm' | 'webgpu';
