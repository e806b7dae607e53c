import { fault, OnnxError } from '../ir/errors.ts';
import { openSession, type Ort, type OrtSession, type OrtTensor, type OrtTensors } from './ort.ts';

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * Opens a session; without ONNX Runtime's optimizations if it refuses the graph with them, since some of them break graphs or
 * have no kernel in float64.
 *
 * @throws OnnxError with ONNX Runtime's message, and advice if there is any
 */
export async function open(ort: Ort, bytes: Uint8Array, options: object): Promise<OrtSession> {
  try {
    return await openSession(ort, bytes, options);
  } catch (error) {
    return openPlain(ort, bytes, options, error);
  }
}

async function openPlain(ort: Ort, bytes: Uint8Array, options: object, first: unknown): Promise<OrtSession> {
  try {
    return await openSession(ort, bytes, { ...options, graphOptimizationLevel: 'disabled' });
  } catch {
    const message = messageOf(first);
    const advice = /NOT_IMPLEMENTED|could not find an implementation/i.test(message)
      ? ' It has no kernel for this op in this precision; try the other precision, or another execution provider.'
      : '';
    throw new OnnxError([fault(`ONNX Runtime refuses the graph: ${message}${advice}`)], { cause: first });
  }
}

/**
 * Runs a session.
 *
 * @throws OnnxError with ONNX Runtime's message
 */
export async function run(
  session: OrtSession,
  feeds: OrtTensors,
  fetches: readonly string[] | Readonly<Record<string, OrtTensor | null>>,
): Promise<OrtTensors> {
  try {
    return await session.run(feeds, fetches);
  } catch (error) {
    throw new OnnxError([fault(`ONNX Runtime failed to run the graph: ${messageOf(error)}`)], {
      cause: error,
    });
  }
}

/** Returns a function that runs tasks one after the other: each begins when all earlier ones have settled. */
export function inTurn(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next;
    return next;
  };
}

/** Returns a function that calls `make` once and keeps its result; after a failure, the next call tries again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** Returns a function that calls `make` once, at the first call, and keeps its result. */
export function remembered<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
