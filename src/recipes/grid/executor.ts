/**
 * Evaluation by an executor: the grid is cut into tiles, which may be evaluated anywhere and in any order.
 *
 * @module
 */
import { sameLoss } from './data.ts';
import { strideOf, strides, type Draft, type SurveyHooks } from './gridWalk.ts';
import type { Executor } from '../../core/grid.ts';

export type { Executor, GridTask, TileResult } from '../../core/grid.ts';

/** Evaluates the missing cells of a draft with an executor. */
export async function runOn(
  executor: Executor,
  draft: Draft,
  cells: Uint32Array,
  hooks: SurveyHooks,
): Promise<void> {
  const { plane, x, y, metrics, done, z } = draft;
  const names = Object.keys(metrics);
  const task = { ...plane, x, y, metrics: names };
  const open = cells.filter((cell) => done[cell] === 0);
  const tellLevels = levelTeller(draft, cells, hooks.levelDone);
  tellLevels();
  for await (const result of executor.run(task, tilesOf(open, executor.parallelism), hooks.signal)) {
    if (!sameLoss(result.loss, draft.loss)) {
      throw new Error(
        `executor: its loss at the center is ${result.loss}${result.worker === undefined ? '' : ` on ${result.worker}`}, here it is ${draft.loss}; its data or its model differ.`,
      );
    }
    result.cells.forEach((cell, c) => {
      z[cell] = result.z[c];
      names.forEach((name, k) => (metrics[name][cell] = result.metrics[k * result.cells.length + c]));
      done[cell] = 1;
      hooks.evaluated();
    });
    tellLevels();
  }
}

/** Reports each coarser grid once it is complete, the coarsest first, although tiles come in any order. */
function levelTeller(draft: Draft, cells: Uint32Array, levelDone: SurveyHooks['levelDone']): () => void {
  if (levelDone === undefined) return () => {};
  const levels = strides
    .map((stride) => ({ stride, cells: cells.filter((cell) => strideOf(draft, cell) === stride) }))
    .filter(({ cells }) => cells.length > 0);
  return () => {
    while (levels.length > 0 && levels[0].cells.every((cell) => draft.done[cell] === 1)) {
      levelDone(levels.shift()!.stride);
    }
  };
}

/** Cuts cells into runs, several for each worker, so that no worker waits long at the end. */
function tilesOf(cells: Uint32Array, parallelism: number): Uint32Array[] {
  const length = Math.max(1, Math.ceil(cells.length / (8 * Math.max(1, parallelism))));
  return Array.from({ length: Math.ceil(cells.length / length) }, (_, k) =>
    cells.slice(k * length, (k + 1) * length),
  );
}
