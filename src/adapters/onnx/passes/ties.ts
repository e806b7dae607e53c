import type { GraphProto } from 'onnx-buf';
import { identityNode } from '../ir/node.ts';

/** A tensor that an Identity copies from another. */
export interface Copy {
  readonly name: string;
  /** The tensor it copies: a constant one, or another copy. */
  readonly of: string;
  /** True if it follows what it copies: the two are one parameter, trained and written as one. */
  readonly tied: boolean;
}

/** Makes the copies that follow others an Identity of them again, in place; `gatherConstants` made them initializers. */
export function tie(graph: GraphProto, copies: readonly Copy[]): void {
  const tied = copies.filter((copy) => copy.tied);
  const names = new Set(tied.map(({ name }) => name));
  graph.initializer = graph.initializer.filter(({ name }) => !names.has(name));
  graph.node.unshift(...tied.map(({ name, of }) => identityNode(of, name, `${name}/tie`)));
}
