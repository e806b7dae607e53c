import type { GraphProto, NodeProto } from 'onnx-buf';
import type { Precision } from '../../../core/problem.ts';
import { subgraphsOf } from '../ir/attributes.ts';
import { isStandard, opKey } from '../ir/domain.ts';
import { OnnxError } from '../ir/errors.ts';
import { identityNode } from '../ir/node.ts';
import { decodeModel, type ExternalData, type Model } from '../ir/model.ts';
import { freeBatchAxis, freeReshapes, meetingSamples } from './batch.ts';
import { structureFaults } from './check.ts';
import { gatherConstants, noteUses, type Origin } from './constants.ts';
import { fixInputs, fixShapes, type FixedInputs, type FixedShapes } from './fix.ts';
import { inlineFunctions } from './inline.ts';
import { expand } from './lower.ts';
import { separateMerged, storedIn } from './merged.ts';
import { hoistConstants } from './nested.ts';
import { upgradeOpset } from './opset.ts';
import { convertPrecision } from './precision.ts';
import { withoutSparse } from './sparse.ts';

/** Options of `differentiate` for reading a model. */
export interface ReadOptions {
  readonly externalData?: ExternalData | undefined;
  readonly precision?: Precision | undefined;
  readonly freeBatch?: boolean | undefined;
  readonly fix?: FixedInputs | undefined;
  readonly shapes?: FixedShapes | undefined;
}

/** A model in the normalized form that later passes expect. */
export interface ModelRead {
  readonly model: Model;
  /** Location of each initializer in the file. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Number of nodes of each op that simpler ones replaced. */
  readonly expanded: ReadonlyMap<string, number>;
}

/**
 * Reads a model and normalizes it: inlines its own functions, checks its structure, turns every constant into an
 * initializer, converts it to opset 18 or later and to the requested precision, and decomposes composite ops.
 *
 * @throws OnnxError with all faults of the file at once
 */
export function read(
  bytes: Uint8Array,
  { externalData, precision, freeBatch, fix = {}, shapes = {} }: ReadOptions = {},
): ModelRead {
  const model = decodeModel(bytes, externalData);
  const sparse = withoutSparse(model);
  separateMerged(model, storedIn(model.graph));
  nameDomains(model);
  leaveMapsOut(model.graph);
  const { names: nested, inFunctions } = hoistConstants(model);
  const unfixed = [...fixShapes(model, shapes), ...fixInputs(model, fix)];
  const { made, faults: calls } = inlineFunctions(model, inFunctions);
  const faults = [...unfixed, ...calls, ...structureFaults(model)];
  // Before later passes add constants of their own, which are not in the file.
  const origins = gatherConstants(model, made);
  for (const name of nested) origins.set(name, { kind: 'nested', name });
  for (const { name, dataType } of model.graph.initializer) {
    const origin = origins.get(name);
    if (origin) origins.set(name, Object.assign({}, origin, { dtype: dataType }));
  }
  for (const name of [...Object.keys(fix), ...sparse]) origins.delete(name);
  faults.push(...upgradeOpset(model));
  if (faults.length > 0) throw new OnnxError(faults);
  convertPrecision(model.graph, precision);
  noteUses(model, origins);
  const batch = freeBatch ? freeBatchAxis(model) : undefined;
  const expanded = expand(model.graph);
  if (batch) freeReshapes(model);
  const apart = batch && [...batch.faults, ...meetingSamples(model, batch.freed)];
  if (apart && apart.length > 0) throw new OnnxError(apart);
  // Optimized models import opsets of domains that other runtimes may not know.
  const domains = new Set(domainsIn(model.graph));
  model.opsetImport = model.opsetImport.filter((opset) => isStandard(opset) || domains.has(opset.domain));
  return { model, origins, expanded };
}

/** Replaces a ZipMap by the tensor that it would turn into maps, `[N, classes]`, in place. */
function leaveMapsOut(graph: GraphProto): void {
  graph.node = graph.node.map((node) => {
    if (opKey(node) !== 'ai.onnx.ml::ZipMap') return node;
    for (const output of graph.output) if (output.name === node.output[0]) delete output.type;
    return identityNode(node.input[0], node.output, node.name);
  });
}

/** Gives the standard domain the more common of its two names, in place. */
function nameDomains({ graph, functions, opsetImport }: Model): void {
  const renameIn = (nodes: readonly NodeProto[]): void => {
    for (const node of nodes) {
      nameDomain(node);
      for (const subgraph of subgraphsOf(node)) renameIn(subgraph.node);
    }
  };
  renameIn(graph.node);
  for (const each of functions) {
    nameDomain(each);
    renameIn(each.node);
    each.opsetImport.forEach(nameDomain);
  }
  opsetImport.forEach(nameDomain);
}

function nameDomain(each: { domain: string }): void {
  if (isStandard(each)) each.domain = '';
}

function* domainsIn(graph: GraphProto): Iterable<string> {
  for (const node of graph.node) {
    yield node.domain;
    for (const subgraph of subgraphsOf(node)) yield* domainsIn(subgraph);
  }
}
