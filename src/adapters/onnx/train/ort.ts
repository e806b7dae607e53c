/**
 * The part of ONNX Runtime's interface used here, which `onnxruntime-node` and `onnxruntime-web` both have;
 * neither is imported.
 *
 * @module
 */

/** A tensor of ONNX Runtime. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
}

/** Tensors by name. */
export type OrtTensors = Readonly<Record<string, OrtTensor>>;

/** A session of ONNX Runtime. */
export interface OrtSession {
  /** Computes the outputs named in `fetches`, writing into those given as tensors. */
  run(
    feeds: OrtTensors,
    fetches: readonly string[] | Readonly<Record<string, OrtTensor | null>>,
  ): Promise<OrtTensors>;
  /** Releases the memory. */
  release(): Promise<void>;
}

/** The namespace that a user imports: `import * as ort from 'onnxruntime-node'`, or `'onnxruntime-web'`. */
export interface Ort {
  readonly InferenceSession: {
    /** Reads a model. */
    create(bytes: Uint8Array, options?: object): Promise<unknown>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => unknown;
  readonly env?: {
    readonly versions?: { readonly node?: string | undefined };
    readonly wasm?: { readonly proxy?: boolean | undefined };
  };
}

/** Opens a session. */
export async function openSession(ort: Ort, bytes: Uint8Array, options: object): Promise<OrtSession> {
  if (!givesAway(ort)) return (await ort.InferenceSession.create(bytes, options)) as OrtSession;
  const session = (await ort.InferenceSession.create(bytes.slice(), options)) as OrtSession;
  return {
    run: (feeds, fetches) => session.run(copied(ort, feeds), fetches),
    release: () => session.release(),
  };
}

/**
 * Returns true if feeds are transferred with each call: onnxruntime-web running in its own worker
 * (`env.wasm.proxy`) transfers them, and their arrays are empty afterwards (1.30).
 */
const givesAway = ({ env }: Ort): boolean => env?.wasm?.proxy === true && 'document' in globalThis;

/** Copies feeds into separate buffers, which may be transferred. */
const copied = (ort: Ort, feeds: OrtTensors): OrtTensors =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      tensorOver(ort, type, (data as Float32Array | string[]).slice(), dims),
    ]),
  );

/** Returns a tensor over `data`, without copying. */
export function tensorOver(ort: Ort, type: string, data: object, dims: readonly number[]): OrtTensor {
  return new ort.Tensor(type as never, data as never, dims) as OrtTensor;
}

/**
 * Returns true if tensors given as outputs are filled in place. onnxruntime-web copies them into its own
 * memory and never back (1.30).
 */
export const fillsOutputs = ({ env }: Ort): boolean => env?.versions?.node !== undefined;
