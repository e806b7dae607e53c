import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import { fault, OnnxError } from '../ir/errors.ts';
import { gatherConstants } from '../passes/constants.ts';
import { separateMerged, storedIn } from '../passes/merged.ts';
import { baseOpset, upgradeOpset } from '../passes/opset.ts';
import { isStandard } from '../ir/domain.ts';
import { decodeModel, type ExternalData, type Model } from '../ir/model.ts';

/** Version of the ONNX format of new models. */
const IR_VERSION = 8n;

/** Returns an empty model of the opset that the builder's methods write. */
export const emptyModel = (): Model =>
  create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(baseOpset) })],
    graph: create(GraphProtoSchema, { name: 'network' }),
  }) as Model;

/**
 * Reads a model to add nodes to. It is upgraded to opset 18 if older, and its constants become initializers; everything
 * else is as in the file.
 *
 * @throws OnnxError if the bytes are not a model, or the model is older and has functions of its own
 */
export function editableModel(bytes: Uint8Array, externalData?: ExternalData): Model {
  const model = decodeModel(bytes, externalData);
  separateMerged(model, storedIn(model.graph));
  const version = Number(model.opsetImport.find(isStandard)?.version ?? 0);
  if (version < baseOpset && model.functions.length > 0) {
    throw new OnnxError([
      fault(
        `the model is of opset ${version} and has functions of its own; export it in opset ${baseOpset} or later, or inline the functions first (onnx.inliner does).`,
      ),
    ]);
  }
  gatherConstants(model);
  const faults = upgradeOpset(model);
  if (faults.length > 0) throw new OnnxError(faults);
  return model;
}

/** Adds the domains of a model's nodes to its imports, in place. */
export function importDomains({ graph, opsetImport }: Model): void {
  const known = new Set(opsetImport.map(({ domain }) => domain));
  for (const { domain } of graph.node) {
    if (known.has(domain) || isStandard({ domain })) continue;
    known.add(domain);
    opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: 1n }));
  }
}
