/**
 * Graphs that ONNX Runtime need not optimize.
 *
 * @module
 */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { opKey } from '../ir/domain.ts';
import { activations } from '../ops/activations.ts';
import { arithmetic } from '../ops/arithmetic.ts';
import { opsWith } from '../ops/index.ts';
import { elementwiseOps } from '../ops/elementwise.ts';
import { reductions } from '../ops/reduction.ts';
import { softmaxOps } from '../ops/softmax.ts';

/** Ops of dense layers, of losses, and of their gradients. */
const ops = new Set(
  [activations, arithmetic, elementwiseOps, reductions, softmaxOps]
    .flatMap((table) => Object.keys(table).filter((op) => !table[op].isFused))
    .concat(opsWith(({ isDense = false }) => isDense)),
);

/**
 * True if nodes are those of dense layers, losses and their gradients, in which ONNX Runtime finds nothing that would save time:
 * such graphs are written without superfluous nodes. Its search takes about as long as the rest of opening a session.
 */
export const areDense = (nodes: readonly NodeProto[]): boolean => nodes.every((node) => ops.has(opKey(node)));

/** As {@link areDense}, for the nodes of a file. */
export const isDense = (bytes: Uint8Array): boolean =>
  areDense(fromBinary(ModelProtoSchema, bytes).graph?.node ?? []);
