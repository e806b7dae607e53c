import { fault, OnnxError } from '../ir/errors.ts';
import { openSession, type Ort, type OrtSession, type OrtTensor, type OrtTensors } from './ort.ts';

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * Opens a session.
 *
 * @throws OnnxError in ONNX Runtime's words, and what to do where it is known
 */
export async function open(ort: Ort, bytes: Uint8Array, options: object): Promise<OrtSession> {
  try {
    return await openSession(ort, bytes, options);
  } catch (error) {
    const message = messageOf(error);
    const advice = /NOT_IMPLEMENTED|could not find an implementation/i.test(message)
      ? ' It has no kernel for this op in this precision; try the other, or another execution provider.'
      : '';
    throw new OnnxError([fault(`ONNX Runtime refuses the graph: ${message}${advice}`)], { cause: error });
  }
}

/**
 * Runs a session.
 *
 * @throws OnnxError in ONNX Runtime's words
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

/** Tasks one after the other: each begins when those before have ended, well or not. */
export function inTurn(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task, task);
    last = next;
    return next;
  };
}

/** Returns a function that calls `make` once and keeps its result; a failure is tried again. */
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

/** Returns what `make` gives, made at the first call. */
export function remembered<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
