import type { GraphProto } from 'onnx-buf';
import { identityNode } from '../ir/node.ts';

/** A tensor that an Identity copies from another. */
export interface Copy {
  readonly name: string;
  /** The tensor that it copies: a constant, or another copy. */
  readonly of: string;
  /** True if it follows that tensor: the two are trained and written as one parameter. */
  readonly tied: boolean;
}

/** Turns tied copies back into Identity nodes, in place; `gatherConstants` made them initializers. */
export function tie(graph: GraphProto, copies: readonly Copy[]): void {
  const tied = copies.filter((copy) => copy.tied);
  const names = new Set(tied.map(({ name }) => name));
  graph.initializer = graph.initializer.filter(({ name }) => !names.has(name));
  graph.node.unshift(...tied.map(({ name, of }) => identityNode(of, name, `${name}/tie`)));
}
