import type { Problem } from '../../src/core/problem.ts';
import type { Setting, Solver, StepOutcome } from '../../src/core/solver.ts';
import type { Termination } from '../../src/core/termination.ts';

/** ½‖x‖² */
export const bowl: Problem = {
  p0: Float64Array.of(4, -2),
  fg(x, gradient) {
    gradient?.set(x);
    return (x[0] ** 2 + x[1] ** 2) / 2;
  },
};

export type Move = readonly number[] | StepOutcome | 'stay';

/** Goes to these points one after the other, or ends a step as it is told; the last move again and again. */
export function scripted(moves: readonly Move[], change: Partial<Solver> = {}) {
  const settings: Setting[] = [];
  let k = 0;
  const solver: Solver = {
    name: 'scripted',
    descends: false,
    describe: (n) => `Scripted in ${n}`,
    init(setting) {
      settings.push(setting);
      return { x: new Float64Array(setting.n), gradient: new Float64Array(setting.n), f: NaN };
    },
    *step(state) {
      const move = moves[Math.min(k++, moves.length - 1)];
      if (typeof move === 'object' && 'kind' in move) return move;
      const next = move === 'stay' ? [...state.x] : move;
      const moved = Math.max(...next.map((value, i) => Math.abs(value - state.x[i])));
      state.x.set(next);
      state.f = yield { kind: 'evaluate', x: state.x, gradient: state.gradient };
      return { kind: 'accepted', alpha: 0.5, moved: Math.max(moved, 1e-3) };
    },
    ...change,
  };
  return { solver, settings };
}

export const failed = (termination: Termination): StepOutcome => ({
  kind: 'failed',
  termination,
});
