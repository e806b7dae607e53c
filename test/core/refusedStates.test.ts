import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../src/core/drive.ts';
import { checkResume, comeBack, markOf } from '../../src/core/resume.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { layoutOf } from '../../src/core/layout.ts';
import { bowl, scripted } from './scripted.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { RunState } from '../../src/core/runState.ts';
import type { Iterate, Setting, Solver } from '../../src/core/solver.ts';

const setting = { n: 2, precision: 'float64' } as const satisfies Setting;
const { solver } = scripted([]);

/** The state of a run at (2, 1), where the bowl is 2.5. */
function stateWith(change: object = {}, iterate: object = {}): RunState {
  const state: RunState = {
    format: 1,
    solver: 'scripted',
    transform: 'none',
    problem: { n: 2, precision: 'float64', stochastic: false, shapes: null },
    iterate: { x: Float64Array.of(2, 1), gradient: Float64Array.of(2, 1), f: 2.5, ...iterate },
    best: { x: null, f: 2.5, gradientNorm: 2 },
    convergence: {
      start: { f: 10, gradientNorm: 4 },
      floor: { f: 2.5, gradientNorm: 2, smallestNorm: 2, still: 0 },
      isNoted: false,
      change: 1,
      moved: 1,
      smallChanges: 0,
      smallSteps: 0,
    },
    validation: null,
    statistics: null,
    factor: 1,
    highest: 10,
    smallest: 10,
    alpha: 1,
  };
  return { ...state, ...change };
}

const check = (state: RunState, mark = markOf(bowl, setting), transform = 'none') =>
  checkResume('here', state, solver, mark, transform);

describe('the mark of a problem', () => {
  it('is its size, precision and kind, and the shapes of its tensors', () => {
    expect(markOf(bowl, setting)).toEqual({ n: 2, precision: 'float64', stochastic: false, shapes: null });
    const params = vectorParams(
      new Float64Array(7),
      layoutOf([
        { name: 'w', shape: [2, 3] },
        { name: 'b', shape: [1] },
      ]),
    );
    const mark = markOf({ ...bowl, params }, { n: 7, precision: 'float32', stochastic: true });
    expect(mark).toEqual({ n: 7, precision: 'float32', stochastic: true, shapes: [[2, 3], [1]] });
  });
});

describe('a state', () => {
  it('a state of the same kind of run is taken', () => {
    expect(() => check(stateWith())).not.toThrow();
    expect(() =>
      check(stateWith({ best: { x: Float64Array.of(1, 1), f: 1, gradientNorm: 1 } })),
    ).not.toThrow();
  });

  it.each([
    ['another format', { format: 2 }],
    ['no point', { iterate: undefined }],
    ['no problem', { problem: undefined }],
  ])('an object with %s is not a state', (_, change) => {
    const state = stateWith(change);
    expect(() => check(state)).toThrow(
      new TypeError(
        `here: resume must be the state of a run, result.state or what loadState returns, got an object with ${Object.keys(state).join(', ')}.`,
      ),
    );
    expect(() => check({ ...state, checksum: '' } as RunState)).toThrow(
      /, checksum\. It is a saved state: loadState\(saved\) reads it\.$/,
    );
  });

  const best = { f: 1, gradientNorm: 1 };
  const { convergence } = stateWith();
  it.each<[string, object, object]>([
    ['iterate', {}, { x: [2, 1] }],
    ['iterate', {}, { gradient: null }],
    ['best point', { best: null }, {}],
    ['best point', { best: 'first' }, {}],
    ['best point', { best }, {}],
    ['best point', { best: { ...best, x: [1, 1] } }, {}],
    ['memory of convergence', { convergence: undefined }, {}],
    ['memory of convergence', { convergence: { ...convergence, start: undefined } }, {}],
    ['memory of convergence', { convergence: { ...convergence, floor: 3 } }, {}],
  ])('a state without its %s is damaged: %j %j', (part, change, iterate) => {
    expect(() => check(stateWith(change, iterate))).toThrow(
      new TypeError(
        `here: resume: the state has no ${part}: it is damaged, or was made by another release. Omit resume to start from p0.`,
      ),
    );
  });

  const shapes = [[2, 3], [1]];
  it.each<[string, object, object]>([
    ['its solver is lbfgs, here it is scripted', { solver: 'lbfgs' }, {}],
    ['its transform is log, here it is none', { transform: 'log' }, {}],
    ['its number of unknowns is 2, here it is 3', {}, { n: 3 }],
    ['its precision is float64, here it is float32', {}, { precision: 'float32' }],
    ['its kind of problem is all data at once, here it is mini-batches', {}, { stochastic: true }],
    [
      'its shapes of the tensors is [2, 3] [1], here it is [7]',
      { problem: { ...markOf(bowl, setting), shapes } },
      { shapes: [[7]] },
    ],
    [
      'its transform is log, here it is none; its number of unknowns is 2, here it is 7',
      { transform: 'log', problem: { ...markOf(bowl, setting), shapes } },
      { n: 7, shapes: [[7]] },
    ],
  ])('a state of another run is refused: %s', (fault, change, mark) => {
    expect(() => check(stateWith(change), { ...markOf(bowl, setting), ...mark })).toThrow(
      new RangeError(
        `here: resume: the state belongs to another run: ${fault}. Omit resume to start from p0.`,
      ),
    );
  });

  it('a state with shapes, or of a problem with shapes, goes with one that has none', () => {
    const mark = markOf(bowl, setting);
    expect(() => check(stateWith({ problem: { ...mark, shapes } }))).not.toThrow();
    expect(() => check(stateWith(), { ...mark, shapes })).not.toThrow();
    expect(() =>
      check(stateWith({ problem: { ...mark, shapes } }), { ...mark, shapes: [[2, 3], [1]] }),
    ).not.toThrow();
  });
});

/** Comes back to a state with a solver whose fresh state has these parts, and returns it. */
function returned(
  saved: object,
  fresh: object,
  { change = {}, ...more }: { change?: object; solver?: Partial<Solver>; problem?: Partial<Problem> } = {},
) {
  const state = { x: new Float64Array(2), gradient: new Float64Array(2), f: NaN, ...structuredClone(fresh) };
  const task: Problem = { ...bowl, ...more.problem };
  const counted: string[] = [];
  const meter = { count: ({ kind }: { kind: string }) => void counted.push(kind) };
  const run = comeBack(
    stateWith(change, saved),
    state,
    { ...solver, ...more.solver },
    { where: 'here', task, setting, meter },
  );
  const isSame = runUnguarded(run, task);
  return { state: state as Iterate & Record<string, unknown>, isSame, counted };
}

describe('a state that is resumed', () => {
  it('is copied part by part, into the arrays of the solver', () => {
    const rows = [new Float64Array(2), new Float32Array(2)];
    const fresh = {
      rows,
      memory: { count: 0, slot: null, kept: undefined },
      flag: false,
      name: '',
      none: null,
      unset: null,
      maybe: 3,
      gone: undefined,
    };
    const saved = {
      rows: [Float64Array.of(1, 2), Float32Array.of(3, 4)],
      memory: { count: 5, slot: { at: 1 }, kept: Float64Array.of(9) },
      flag: true,
      name: 'wolfe',
      none: [1, 2],
      unset: 'text',
      maybe: null,
      gone: undefined,
      later: 7,
    };
    const state = { x: new Float64Array(2), gradient: new Float64Array(2), f: NaN, ...fresh };
    const meter = { count() {} };
    runUnguarded(
      comeBack(stateWith({}, saved), state, solver, { where: 'here', task: bowl, setting, meter }),
      bowl,
    );
    expect(state).toEqual({ x: Float64Array.of(2, 1), gradient: Float64Array.of(2, 1), f: 2.5, ...saved });
    expect(state.rows).toBe(rows);
    expect(rows[0]).toEqual(Float64Array.of(1, 2));
    // What was nothing before is a copy.
    (state.memory.slot as unknown as { at: number }).at = 2;
    expect(saved.memory.slot.at).toBe(1);
    saved.rows[0][0] = 8;
    expect(rows[0][0]).toBe(1);
  });

  it.each<[string, object, object]>([
    ['size is missing', {}, { size: 3 }],
    ['size is of another kind', { size: '3' }, { size: 3 }],
    ['size is of another kind', { size: 3 }, { size: { at: 3 } }],
    ['size is of another kind', { size: null }, { size: { at: 3 } }],
    ['size is of another kind', { size: 3 }, { size: Float64Array.of(3) }],
    ['size is of another kind', { size: Float64Array.of(3) }, { size: 3 }],
    ['row is of another kind', { row: [1, 2] }, { row: new Float64Array(2) }],
    ['row is of another kind', { row: new Float64Array(2) }, { row: [1, 2] }],
    ['row has 3 numbers, not 2', { row: new Float64Array(3) }, { row: new Float64Array(2) }],
    ['row has 2 numbers, not 2', { row: new Float32Array(2) }, { row: new Float64Array(2) }],
    ['rows has 1 parts, not 2', { rows: [1] }, { rows: [1, 2] }],
    ['rows[1] is of another kind', { rows: [1, '2'] }, { rows: [1, 2] }],
    ['memory.pairs[1].s has 1 numbers, not 2', ...pairsOf(new Float64Array(1))],
    ['x has 3 numbers, not 2', { x: new Float64Array(3) }, {}],
    [
      '__proto__ does not belong in a state',
      JSON.parse('{"extra": {"__proto__": {"a": 1}}}') as object,
      { extra: {} },
    ],
  ])('%s: the solver has other options', (fault, saved, fresh) => {
    const name = fault.startsWith('__proto__') ? `extra.${fault}` : fault;
    expect(() => returned(saved, fresh)).toThrow(
      new RangeError(
        `here: resume: the state does not fit the options of scripted(): ${name}. Give the solver the options that it had, or omit resume.`,
      ),
    );
  });

  function pairsOf(s: Float64Array): [object, object] {
    const pair = (s: Float64Array) => ({ memory: { pairs: [{ s: new Float64Array(2) }, { s }] } });
    return [pair(s), pair(new Float64Array(2))];
  }

  it('outside the bounds of the solver is refused', () => {
    const admit = (x: Float64Array) => x.forEach((value, i) => (x[i] = Math.max(1.5, value)));
    const outside = new RangeError(
      'here: resume: the point of the state lies outside the bounds of scripted(). Omit resume to start from p0.',
    );
    expect(() => returned({}, {}, { solver: { admit } })).toThrow(outside);
    const seen: unknown[] = [];
    const { state } = returned(
      {},
      {},
      {
        solver: {
          admit: (_, given) => {
            seen.push(given);
          },
        },
      },
    );
    expect(seen).toEqual([setting]);
    expect([...state.x]).toEqual([2, 1]);
  });

  it('takes one evaluation, with statistics brought back before it', () => {
    const order: string[] = [];
    const problem: Partial<Problem> = {
      statistics: { read: () => new Float64Array(1), write: ([value]) => void order.push(`write ${value}`) },
      fg: (x, gradient) => (order.push('fg'), bowl.fg(x, gradient)),
    };
    const change = { statistics: Float64Array.of(7) };
    expect(returned({}, {}, { change, problem })).toMatchObject({ isSame: true, counted: ['evaluate'] });
    expect(order).toEqual(['write 7', 'fg']);
    order.length = 0;
    returned({}, {}, { problem });
    expect(order).toEqual(['fg']);
    expect(() => returned({}, {}, { change })).not.toThrow();
  });

  it('takes none on mini-batches, where the next batch is drawn first', () => {
    const change = { problem: { ...markOf(bowl, setting), stochastic: true } };
    expect(returned({ f: 99 }, {}, { change })).toMatchObject({ isSame: true, counted: [] });
  });

  it.each(['float64', 'float32'] as const)(
    'is of the same function if f agrees to rounding, in %s',
    (precision) => {
      const tolerance = { float64: 1e-6, float32: 1e-3 }[precision];
      const change = { problem: { ...markOf(bowl, setting), precision } };
      // Relative to the largest of f there and then, and f at the start, which is 10.
      for (const sign of [-1, 1]) {
        const near = returned({ f: 2.5 + sign * 0.9 * tolerance * 10 }, {}, { change });
        expect([near.isSame, near.state.f]).toEqual([true, 2.5 + sign * 0.9 * tolerance * 10]);
        const far = returned({ f: 2.5 + sign * 1.1 * tolerance * 10 }, {}, { change });
        expect([far.isSame, far.state.f]).toEqual([false, 2.5]);
      }
      const { convergence: memory } = stateWith();
      const atStart = { ...change, convergence: { ...memory, start: { f: -1, gradientNorm: 4 } } };
      expect(returned({ f: 2.5 * (1 + 0.9 * tolerance) }, {}, { change: atStart }).isSame).toBe(true);
      expect(returned({ f: 2.5 * (1 + 1.1 * tolerance) }, {}, { change: atStart }).isSame).toBe(false);
      expect(
        returned(
          { f: 0 },
          {},
          { change: { ...change, convergence: { ...memory, start: { f: -1e9, gradientNorm: 4 } } } },
        ).isSame,
      ).toBe(true);
    },
  );

  it('has f and the gradient of the function that it is resumed with, or keeps its own', () => {
    const gradient = Float64Array.of(2 + 1e-9, 1);
    expect(returned({ gradient }, {}).state.gradient).toEqual(gradient);
    const problem: Partial<Problem> = { fg: (x, g) => (g?.set([5, 6]), 100 + x[0]) };
    const { state, isSame } = returned({}, {}, { problem });
    expect([isSame, state.f, ...state.gradient]).toEqual([false, 102, 5, 6]);
  });

  it('a state that is resumed of another function is of no use to a solver that has learned its curvature', () => {
    const problem: Partial<Problem> = { fg: () => 100 };
    expect(() => returned({}, {}, { problem, solver: { descends: true } })).toThrow(
      new RangeError(
        'here: resume: f is 100 at the point of the state, where it was 2.5: the data or the loss have changed, so the curvature that scripted() has learned is of no use. Omit resume to start from p0.',
      ),
    );
    expect(returned({}, {}, { solver: { descends: true } }).isSame).toBe(true);
  });
});
