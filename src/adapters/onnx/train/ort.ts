/**
 * The part of ONNX Runtime's interface that is used: `onnxruntime-node` and `onnxruntime-web` both have it, and neither is imported.
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
  /** Computes the outputs named in `fetches`; where those are tensors, into them. */
  run(
    feeds: OrtTensors,
    fetches: readonly string[] | Readonly<Record<string, OrtTensor | null>>,
  ): Promise<OrtTensors>;
  /** Lets go of the memory. */
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
 * True if memory is given away with each call: onnxruntime-web, asked to work in a worker of its own (`env.wasm.proxy`),
 * transfers what it is fed with, and its arrays are empty afterwards (1.30).
 */
const givesAway = ({ env }: Ort): boolean => env?.wasm?.proxy === true && 'document' in globalThis;

/** Feeds that may be given away: each with a buffer of its own. */
const copied = (ort: Ort, feeds: OrtTensors): OrtTensors =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      tensorOver(ort, type, (data as Float32Array | string[]).slice(), dims),
    ]),
  );

/** A tensor over `data`, which is not copied. */
export function tensorOver(ort: Ort, type: string, data: object, dims: readonly number[]): OrtTensor {
  return new ort.Tensor(type as never, data as never, dims) as OrtTensor;
}

/**
 * Whether tensors given as outputs are filled in place. onnxruntime-web copies them into its own memory and
 * never back (1.30).
 */
export const fillsOutputs = ({ env }: Ort): boolean => env?.versions?.node !== undefined;
