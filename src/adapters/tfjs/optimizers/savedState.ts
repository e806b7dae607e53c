import * as tf from '@tensorflow/tfjs';
import { pack, unpack } from '../../../core/pack.ts';
import type { Knowledge } from './runContext.ts';

/** A named tensor, as `getWeights` and `setWeights` of tfjs pass them. */
export type NamedTensor = { name: string; tensor: tf.Tensor };

/** State that an optimizer saves beside its options. */
export interface SavedState {
  /** Format of this record. */
  readonly version: 2;
  /** The class that saved it. */
  readonly className: string;
  /** Calls of `minimize` and `applyGradients` so far. */
  readonly iterations: number;
  /** State of the run, and the shapes of its variables; null before the first call. */
  readonly run: { readonly shapes: readonly (readonly number[])[]; readonly knowledge: Knowledge } | null;
}

/**
 * The state as tensors that `model.save` can write: the structure as text, the float64 numbers as pairs of
 * int32, as files of tfjs know no float64. Names begin with the class's, as they share a map with the
 * model's weights. The tensors are the caller's.
 */
export function toTensors(state: SavedState): NamedTensor[] {
  const { structure, numbers } = pack(state);
  const halves = new Int32Array(numbers.buffer);
  return [
    { name: `${state.className}/structure`, tensor: tf.tensor1d([structure], 'string') },
    { name: `${state.className}/numbers`, tensor: tf.tensor2d(halves, [numbers.length, 2], 'int32') },
  ];
}

/**
 * The state that {@link toTensors} wrote.
 *
 * @throws Error if the tensors are another optimizer's, or another version's
 */
export async function fromTensors(className: string, tensors: readonly NamedTensor[]): Promise<SavedState> {
  const structure = tensors.find(({ name }) => name === `${className}/structure`)?.tensor;
  const numbers = tensors.find(({ name }) => name === `${className}/numbers`)?.tensor;
  if (!structure || !numbers) {
    const names = tensors.map(({ name }) => `"${name}"`).join(', ') || 'nothing';
    throw new Error(
      `${className}.setWeights: this is not a state of ${className}, which has "${className}/structure" and "${className}/numbers"; got ${names}.`,
    );
  }
  const [text] = await structure.data<'string'>();
  // The copy aligns the bytes, wherever the file had them.
  const halves = Int32Array.from(await numbers.data());
  const unpacked: unknown = unpack({ structure: text, numbers: new Float64Array(halves.buffer) });
  const state = unpacked as SavedState | SavedState1;
  if (state.version === 1) return fromVersion1(state);
  if (state.version !== 2) {
    throw new Error(
      `${className}.setWeights: the state has format ${String((state as SavedState).version)}, this version reads formats 1 and 2; train on without it, or with the version that saved it.`,
    );
  }
  return state;
}

/** The first format, which knew less of a run. */
interface SavedState1 extends Omit<SavedState, 'version' | 'run'> {
  readonly version: 1;
  readonly run: {
    readonly shapes: readonly (readonly number[])[];
    readonly knowledge: Pick<Knowledge, 'state' | 'known' | 'floor'> & { readonly stochastic: boolean };
  } | null;
}

function fromVersion1({ run, ...saved }: SavedState1): SavedState {
  if (run === null) return { ...saved, version: 2, run };
  const { state, known, floor, stochastic } = run.knowledge;
  const knowledge: Knowledge = {
    state,
    known,
    floor,
    stopped: null,
    changes: stochastic ? 'batches' : 'same',
    checked: true,
    replaced: false,
    idle: 0,
    largest: Math.abs(state.f),
    applied: null,
  };
  return { ...saved, version: 2, run: { shapes: run.shapes, knowledge } };
}
