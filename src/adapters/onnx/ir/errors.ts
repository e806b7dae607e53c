import type { NodeProto } from 'onnx-buf';
import { show } from '../../../core/options.ts';
import { opKey } from './domain.ts';

/** A fault of one node, input or option of a model. */
export interface Fault {
  /** The node's name, or its first output if it has none; `''` if the fault does not belong to a node. */
  readonly node: string;
  /**
   * The node's op, with its domain if it is not a standard op; `''` if the fault does not belong to a node.
   */
  readonly op: string;
  /** A message: what was found, and what would be accepted. */
  readonly reason: string;
}

/**
 * Error for a model that cannot be read, differentiated or fed. It contains every fault found, not only the
 * first.
 */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[], options?: ErrorOptions) {
    if (!Array.isArray(faults) || !faults.every(isFault))
      throw new TypeError(`OnnxError: faults must be a list of { node, op, reason }, got ${show(faults)}.`);
    super(
      faults.length === 1
        ? sentence(faults[0])
        : `${faults.length} faults:\n${faults.map((fault) => `  ${sentence(fault)}`).join('\n')}`,
      options,
    );
    this.faults = faults;
  }
}

const isFault = (value: unknown): boolean => typeof value === 'object' && value !== null && 'reason' in value;

/** Returns a fault as one line. */
export function sentence({ node, op, reason }: Fault): string {
  if (op === '' && node === '') return reason;
  return `${op || 'value'} ${JSON.stringify(node)}: ${reason}`;
}

/** Makes a fault that does not belong to a node. */
export const fault = (reason: string): Fault => ({ node: '', op: '', reason });

/** Thrown by a rule or pass that refuses a node. Its caller knows the node and adds the name. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** Wraps an error of the user's own code, to carry it unchanged through {@link typed}. */
class Foreign extends Error {
  constructor(cause: unknown) {
    super('thrown by code of the caller', { cause });
  }
}

/** Runs the user's own code inside {@link typed}, which then rethrows its errors unchanged. */
export function foreign<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof OnnxError || error instanceof Refusal ? error : new Foreign(error);
  }
}

/**
 * Returns the result of `work` on a model. Any error other than an {@link OnnxError} or one of the user's own code
 * means that the model violates its format; it is rethrown as an OnnxError.
 */
export function typed<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OnnxError) throw error;
    if (error instanceof Foreign) throw error.cause;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OnnxError([fault(`the model cannot be processed: ${reason}`)], { cause: error });
  }
}

/** Refuses a node from within a rule or loss, with the reason; the caller's `OnnxError` names both. */
export function refuse(reason: string): never {
  throw new Refusal(reason);
}

/** Makes the fault of a node from the error thrown there. */
export function faultOf(node: NodeProto, error: unknown): Fault {
  const reason = error instanceof Error ? error.message : String(error);
  return { node: asInFile(node.name || (node.output[0] ?? '')), op: opKey(node), reason: asInFile(reason) };
}

/** Removes the prefixes that copies of a subgraph give to the names of the file. */
const asInFile = (text: string): string => text.replaceAll(/\bad\/(?:(?:body|step)_\d+\/)*step_\d+\//g, '');
