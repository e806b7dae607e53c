import * as tf from '@tensorflow/tfjs';
import { pack, unpack } from '../../../core/pack.ts';
import type { Knowledge } from './runContext.ts';

/** A named tensor, as used by `getWeights` and `setWeights` of tfjs. */
export type NamedTensor = { name: string; tensor: tf.Tensor };

/** State that an optimizer saves in addition to its options. */
export interface SavedState {
  /** Version of this format. */
  readonly version: 2;
  /** Name of the class that saved it. */
  readonly className: string;
  /** Number of calls of `minimize` and `applyGradients` so far. */
  readonly iterations: number;
  /** State of the run, and the shapes of its variables; null before the first call. */
  readonly run: { readonly shapes: readonly (readonly number[])[]; readonly knowledge: Knowledge } | null;
}

/**
 * Converts the state to tensors that `model.save` can write: the structure as text, and float64 numbers as
 * pairs of int32, since tfjs files do not support float64. Names begin with the class name, because they
 * share a map with the model's weights. The caller owns the tensors.
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
 * Restores the state written by {@link toTensors}.
 *
 * @throws Error if the tensors belong to another optimizer or another version
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
  // The copy aligns the bytes, which may be unaligned in the file.
  const halves = Int32Array.from(await numbers.data());
  const unpacked: unknown = unpack({ structure: text, numbers: new Float64Array(halves.buffer) });
  const state = unpacked as SavedState | SavedState1;
  if (state.version === 1) return fromVersion1(state);
  if (state.version !== 2) {
    throw new Error(
      `${className}.setWeights: the state has format ${String((state as SavedState).version)}, this version reads formats 1 and 2; continue without it, or use the version that saved it.`,
    );
  }
  return state;
}

/** The first format, which contains less of a run's state. */
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

/**
 * Returns what a loaded run has learned, for variables of its shapes; undefined if none was loaded.
 *
 * @throws Error if the shapes are others
 */
export function knowledgeFor(
  className: string,
  loaded: SavedState['run'],
  variables: readonly tf.Variable[],
): Knowledge | undefined {
  if (loaded === null) return undefined;
  const [saved, now] = [loaded.shapes, variables.map(({ shape }) => shape)].map((shapes) =>
    shapes.map((shape) => `[${shape.join(', ')}]`).join(' '),
  );
  if (saved !== now) {
    throw new Error(
      `${className}: the loaded state belongs to variables of shapes ${saved}; these have ${now}. Train the model it was saved with, or make a new optimizer.`,
    );
  }
  return loaded.knowledge;
}
