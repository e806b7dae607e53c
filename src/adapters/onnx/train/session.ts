import type { GraphProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { decodeModel } from '../ir/model.ts';
import { openSession, type Ort, type OrtSession, type OrtTensor, type OrtTensors } from './ort.ts';

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * Opens a session; without ONNX Runtime's optimizations if it refuses the graph with them and some optimization may be the
 * cause: some break graphs, or write nodes that have no kernel in float64.
 *
 * @throws OnnxError with ONNX Runtime's message, and advice if there is any
 */
export async function open(ort: Ort, bytes: Uint8Array, options: object): Promise<OrtSession> {
  try {
    return await openSession(ort, bytes, options);
  } catch (error) {
    const plain = Object.assign({}, options, { graphOptimizationLevel: 'disabled' });
    const isPlain = 'graphOptimizationLevel' in options && options.graphOptimizationLevel === 'disabled';
    if (isPlain || isOwnFault(bytes, messageOf(error))) throw refused(error);
    return openSession(ort, bytes, plain).catch(() => {
      throw refused(error);
    });
  }
}

/** True if a message tells of the file itself, or of an op without a kernel in a node that the file holds, by op and name. */
function isOwnFault(bytes: Uint8Array, message: string): boolean {
  if (/protobuf parsing failed|No Op registered for|official released onnx opset/.test(message)) return true;
  const [, op, name] = /implementation for (\w+)\(-?\d+\) node with name '(.*)'/.exec(message) ?? [];
  const holds = (graph: GraphProto): boolean =>
    graph.node.some((node) => (node.opType === op && node.name === name) || subgraphsOf(node).some(holds));
  return op !== undefined && holds(decodeModel(bytes).graph);
}

function refused(error: unknown): OnnxError {
  const message = messageOf(error);
  const advice = /NOT_IMPLEMENTED|could not find an implementation/i.test(message)
    ? ' It has no kernel for this op in this precision; try the other precision, or another execution provider.'
    : '';
  return new OnnxError([fault(`ONNX Runtime refuses the graph: ${message}${advice}`)], { cause: error });
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
