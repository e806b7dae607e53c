/**
 * Sessions whose convolutions use ONNX Runtime's blocked layout, where a trial shows that this machine has it.
 *
 * @module
 */
import type { Precision } from '../../../core/problem.ts';
import { graph } from '../build/network.ts';
import { inBlocks } from '../passes/blocked.ts';
import type { Plan } from './options.ts';
import { fillsOutputs, openSession, tensorOver, type Ort, type OrtSession } from './ort.ts';
import { open } from './session.ts';

/** Sizes of blocks that ONNX Runtime has: of AVX-512 and of AVX2. */
const SIZES = [16, 8];

/**
 * Opens a session of a plan; convolutions that are faster in blocks are written in them.
 *
 * @throws OnnxError in ONNX Runtime's words, and what to do where it is known
 */
export async function openPlanned(
  ort: Ort,
  bytes: Uint8Array,
  plan: Plan,
  precision: Precision,
): Promise<OrtSession> {
  const mayUse = plan.usesLayouts && precision === 'float32' && mentionsConvolution(bytes);
  const size = mayUse ? await blockSize(ort) : 0;
  return open(ort, size === 0 ? bytes : inBlocks(bytes, size), plan.session(precision));
}

/** True if the letters `Conv` appear in a file, as the names of its ops do; a large file is not decoded for it. */
function mentionsConvolution(bytes: Uint8Array): boolean {
  const [first, ...rest] = new TextEncoder().encode('Conv');
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

const numbers = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * i + i));

/** True if convolutions in blocks of a size give what those in the standard layout do. */
async function agrees(ort: Ort, size: number): Promise<boolean> {
  const shapes = {
    x: [2, 16, 5, 6],
    w: [16, 16, 3, 3],
    v: [16, 1, 3, 3],
    u: [12, 4, 3, 3],
    x4: [2, 4, 5, 6],
  };
  const g = graph({ seed: 1 });
  for (const [name, shape] of Object.entries(shapes)) g.input(name, shape);
  const at = { pads: [1, 1, 1, 1] };
  const full = g.relu(g.op('Conv', ['x', 'w'], at));
  const deep = g.op('Conv', [full, 'v'], { ...at, group: 16 });
  const back = g.op('ConvTranspose', [deep, 'v'], {
    ...at,
    group: 16,
    strides: [2, 2],
    output_padding: [1, 1],
  });
  g.output('deep', back);
  g.output('few', g.op('Conv', ['x4', 'u'], at));
  const bytes = g.toBytes();
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      return [name, tensorOver(ort, 'float32', numbers(shape.reduce((a, b) => a * b)), shape)];
    }),
  );
  const compute = async (model: Uint8Array): Promise<number[]> => {
    // Neither fused nor logged.
    const session = await openSession(ort, model, {
      logSeverityLevel: 4,
      graphOptimizationLevel: 'disabled',
    });
    try {
      const { deep, few } = await session.run(feeds, ['deep', 'few']);
      return [...Array.from(deep.data, Number), ...Array.from(few.data, Number)];
    } finally {
      await session.release();
    }
  };
  try {
    const [standard, blocked] = [await compute(bytes), await compute(inBlocks(bytes, size))];
    const scale = Math.max(...standard.map(Math.abs));
    return (
      standard.length === blocked.length &&
      standard.every((value, i) => Math.abs(value - blocked[i]) < 1e-5 * scale)
    );
  } catch {
    return false;
  }
}
