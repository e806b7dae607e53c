/**
 * Sessions whose convolutions use ONNX Runtime's blocked layout, where a trial shows that this machine has it.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { sizeOf } from '../../../core/layout.ts';
import type { Precision } from '../../../core/problem.ts';
import { Builder } from '../ir/builder.ts';
import { encodeModel } from '../ir/model.ts';
import { DType } from '../ir/tensor.ts';
import { weightCotangent } from '../ops/convolutionWeight.ts';
import { opKnowledge } from '../ops/infer.ts';
import { baseOpset } from '../passes/opset.ts';
import { inBlocks } from '../passes/blocked.ts';
import { CONVOLUTION } from '../passes/blockedLayout.ts';
import type { Plan } from './options.ts';
import { areDense, isDense } from './denseGraph.ts';
import { fillsOutputs, openSession, tensorOver, type Ort, type OrtSession } from './ort.ts';
import { open } from './session.ts';

/** Sizes of blocks that ONNX Runtime has: of AVX-512 and of AVX2. */
const SIZES = [16, 8];

/**
 * Opens a session of a plan. Convolutions that are faster in blocks are written in them, and dense graphs are not optimized by
 * ONNX Runtime, unless the user's options say so.
 *
 * @param nodes - nodes of the file, if they are known; otherwise they are decoded
 * @throws OnnxError in ONNX Runtime's words, and what to do where it is known
 */
export async function openPlanned(
  ort: Ort,
  bytes: Uint8Array,
  plan: Plan,
  precision: Precision,
  nodes?: readonly NodeProto[],
): Promise<OrtSession> {
  const convolves = plan.usesLayouts && mentionsConvolution(bytes);
  const size = convolves && precision === 'float32' ? await blockSize(ort) : 0;
  const isWritten = size > 0 || (convolves && plan.keepsWeights);
  const needsNothing = plan.usesLayouts && (nodes ? areDense(nodes) : isDense(bytes));
  return open(ort, isWritten ? inBlocks(bytes, size) : bytes, plan.session(precision, needsNothing));
}

/** True if the name of the convolution appears in a file, alone or in the name of another op; a large file is not decoded for it. */
function mentionsConvolution(bytes: Uint8Array): boolean {
  const [first, ...rest] = new TextEncoder().encode(CONVOLUTION);
  for (let at = bytes.indexOf(first); at !== -1; at = bytes.indexOf(first, at + 1))
    if (rest.every((letter, i) => bytes[at + 1 + i] === letter)) return true;
  return false;
}

const known = new WeakMap<Ort, Promise<number>>();

/**
 * Returns the number of channels of a block, or 0 where there is none: in a browser, on other processors, or in a version
 * of ONNX Runtime whose blocks are others than those known here (1.30).
 */
export function blockSize(ort: Ort): Promise<number> {
  const found = known.get(ort) ?? (fillsOutputs(ort) ? tried(ort) : Promise.resolve(0));
  known.set(ort, found);
  return found;
}

async function tried(ort: Ort): Promise<number> {
  for (const size of SIZES) if (await agrees(ort, size)) return size;
  return 0;
}

/** Inputs of {@link trial}. */
const inputs = {
  x: [2, 16, 5, 6],
  weight: [16, 16, 3, 3],
  deep: [16, 1, 3, 3],
  few: [2, 4, 5, 6],
  'few.weight': [12, 4, 3, 3],
};

/** A model with a convolution in each form that {@link inBlocks} writes, a pooling, a batch normalization, and gradients of weights. */
function trial(): Uint8Array {
  const proto = create(GraphProtoSchema, { name: 'trial' });
  const g = new Builder(proto, opKnowledge);
  for (const [name, shape] of Object.entries(inputs)) g.addInput(name, DType.FLOAT, shape);
  const pads = [1, 1, 1, 1];
  const full = g.relu(g.convolve('x', 'weight', { pads }));
  const depthwise = g.convolve(full, 'deep', { pads, group: 16 });
  const back = g.convolveTransposed(depthwise, 'deep', {
    pads,
    group: 16,
    strides: [2, 2],
    output_padding: [1, 1],
  });
  g.addOutput('a', g.convolveTransposed(back, 'weight', { pads }));
  g.addOutput('b', g.convolve('few', 'few.weight', { pads }));
  g.addOutput('c', g.transpose(full, [0, 2, 3, 1]));
  g.addOutput('d', g.largest(full, { kernel_shape: [2, 2], strides: [2, 2] }));
  const window = { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  g.keepsWeights = true;
  g.addOutput('e', weightCotangent(g, full, depthwise, 'weight', window));
  g.addOutput('f', weightCotangent(g, full, depthwise, 'deep', { ...window, group: 16 }));
  const [scale, bias, mean, variance] = [1.5, 0.5, 0, 1].map((value) =>
    g.constant(DType.FLOAT, [16], Array(16).fill(value)),
  );
  const batch = { training_mode: 1, momentum: 0 };
  const [normalized] = g.normalizeBatch(depthwise, [scale, bias, mean, variance], batch, 3);
  g.addOutput('g', g.sum(g.relu(g.add(normalized, full)), [0, 2, 3]));
  const opsetImport = [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(baseOpset) })];
  const model = create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph: proto });
  return encodeModel(Object.assign(model, { graph: proto }));
}

/** True if convolutions in blocks of a size give what those in the standard layout do. */
async function agrees(ort: Ort, size: number): Promise<boolean> {
  const bytes = trial();
  try {
    const [standard, blocked] = [
      await computed(ort, inBlocks(bytes, 0)),
      await computed(ort, inBlocks(bytes, size)),
    ];
    const scale = Math.max(...standard.map(Math.abs));
    const isNear = (value: number, i: number) => Math.abs(value - blocked[i]) < 1e-5 * scale;
    return standard.length === blocked.length && standard.every(isNear);
  } catch {
    // It has no such layout.
    return false;
  }
}

async function computed(ort: Ort, model: Uint8Array): Promise<number[]> {
  // Nothing is fused, and a refusal is not printed.
  const options = { logSeverityLevel: 4, graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 };
  const session = await openSession(ort, model, options);
  try {
    const feeds = Object.entries(inputs).map(([name, shape]) => {
      const numbers = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * i + i));
      return [name, tensorOver(ort, 'float32', numbers, shape)] as const;
    });
    const results = await session.run(Object.fromEntries(feeds), ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    return Object.values(results).flatMap(({ data }) => Array.from(data, Number));
  } finally {
    await session.release();
  }
}
