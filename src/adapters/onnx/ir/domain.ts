import type { NodeProto } from 'onnx-buf';

/** True for ONNX's standard ops, whose domain has two names. */
export const isStandard = ({ domain }: { readonly domain: string }): boolean =>
  domain === '' || domain === 'ai.onnx';

/** The name of a node's op in tables and messages: `Conv`, or `com.microsoft::Gelu` in another domain. */
export const opKey = (node: Pick<NodeProto, 'domain' | 'opType'>): string =>
  isStandard(node) ? node.opType : `${node.domain}::${node.opType}`;
