/** What is wrong with one node, input or option of a model. */
export interface Fault {
  /** The node's name, or its first output where it has none; `''` where the fault is no node's. */
  readonly node: string;
  /** The node's op, with its domain if it is not a standard one; `''` where the fault is no node's. */
  readonly op: string;
  /** A sentence: what was found, and what would do. */
  readonly reason: string;
}

/** A model that cannot be read, differentiated or fed; it carries every fault found, not only the first. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[], options?: ErrorOptions) {
    super(
      faults.length === 1
        ? sentence(faults[0])
        : `${faults.length} faults:\n${faults.map((fault) => `  ${sentence(fault)}`).join('\n')}`,
      options,
    );
    this.faults = faults;
  }
}

/** A fault as one line. */
export function sentence({ node, op, reason }: Fault): string {
  if (op === '' && node === '') return reason;
  return `${op || 'value'} ${JSON.stringify(node)}: ${reason}`;
}

/** A fault that is no node's. */
export const fault = (reason: string): Fault => ({ node: '', op: '', reason });

/** Thrown by a rule or a pass that will not do a node; whoever called it knows the node. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/**
 * The result of `work` on a model. Whatever else it throws than an {@link OnnxError} was brought about by a model
 * that is not what its format promises, and becomes one.
 *
 * @param foreign - whether code of the caller's runs inside, whose own errors must leave as they are
 */
export function typed<T>(work: () => T, foreign = false): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OnnxError || (foreign && !(error instanceof Refusal))) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OnnxError([fault(`the model cannot be worked on: ${reason}`)], { cause: error });
  }
}

/** Says, from within a rule or a loss, that it will not do this node, and why; the caller's `OnnxError` names both. */
export function refuse(reason: string): never {
  throw new Refusal(reason);
}
