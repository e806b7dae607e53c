import type { NodeProto } from 'onnx-buf';
import type { OpAttributes } from '../../opWriter/attributes.ts';
import { OpWriter, type Operand, type Value } from '../../opWriter/opWriter.ts';
import { nodeOf } from './node.ts';

/** Collects nodes that are inserted into a graph; operands must be values. */
export class NodeWriter extends OpWriter {
  readonly fresh: (stem: string) => Value;
  readonly integers: (values: readonly number[]) => Value;
  readonly nodes: NodeProto[] = [];

  /**
   * @param fresh - returns an unused name
   * @param integers - adds a constant to the graph
   */
  constructor(fresh: (stem: string) => Value, integers: (values: readonly number[]) => Value) {
    super();
    this.fresh = fresh;
    this.integers = integers;
  }
  override ops(
    op: string,
    inputs: readonly (Operand | undefined)[],
    attributes?: OpAttributes,
    count = 1,
  ): Value[] {
    const output = this.outputsOf(op, count);
    this.nodes.push(
      nodeOf(
        op,
        inputs.map((input) => String(input ?? '')),
        output,
        attributes,
      ),
    );
    return output;
  }
  /** Removes and returns all nodes. */
  taken(): NodeProto[] {
    return this.nodes.splice(0);
  }
}

const none = (): never => {
  throw new Error('a node with a name of its own needs no others.');
};

/** Returns one node, whose output has this name. */
export function nodeNamed(output: Value, write: (g: OpWriter) => Value): NodeProto {
  const writer = new NodeWriter(none, none);
  write(writer.naming(output));
  return writer.nodes[0];
}
