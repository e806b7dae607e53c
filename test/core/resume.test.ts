import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pack } from '../../src/core/pack.ts';
import { bowl, scripted } from './scripted.ts';
import {
  adam,
  auto,
  backtracking,
  bfgs,
  conjugateGradient,
  gradientDescent,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  loadState,
  minimize,
  newtonCG,
  owlqn,
  saveState,
  sequence,
  slbfgs,
  soap,
  ssbfgs,
  ssbroyden,
  vectorParams,
  layoutOf,
  type Problem,
  type RunState,
  type SavedState,
  type SolveOptions,
  type SolveResult,
  type Solver,
} from '../../src/index.ts';

/** Rosenbrock's function in n unknowns. */
function rosenbrock(n = 6): Problem {
  return {
    p0: Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? -1.2 : 1)),
    fg(x, gradient) {
      let f = 0;
      gradient?.fill(0);
      for (let i = 0; i + 1 < n; i++) {
        const [a, b] = [x[i + 1] - x[i] ** 2, 1 - x[i]];
        f += 100 * a * a + b * b;
        if (gradient) {
          gradient[i] += -400 * a * x[i] - 2 * b;
          gradient[i + 1] += 200 * a;
        }
      }
      return f;
    },
  };
}

/** Noisy least squares in batches: sample i pulls x toward its own point. */
function batches(n = 6): Problem & { readonly drawn: () => number } {
  let k = 0;
  const fgOf =
    (first: number): Problem['fg'] =>
    (x, gradient) => {
      let f = 0;
      gradient?.fill(0);
      for (let s = first; s < first + 4; s++) {
        for (let i = 0; i < n; i++) {
          const d = x[i] - Math.sin(7 * s + i);
          f += ((i + 1) * d * d) / 4;
          if (gradient) gradient[i] += ((i + 1) * d) / 2;
        }
      }
      return f;
    };
  return {
    p0: new Float64Array(n).fill(2),
    fg: (x, gradient) => fgOf(4 * k)(x, gradient),
    nextBatch: () => void k++,
    overlap: (x, gradient) => fgOf(4 * k)(x, gradient),
    drawn: () => k,
  };
}

const squares = () =>
  leastSquares({
    p0: Float64Array.of(-1.2, 1),
    residualCount: 2,
    residuals([a, b], r) {
      r.set([10 * (b - a * a), 1 - a]);
    },
  });

const throughJson = (state: RunState): RunState =>
  loadState(JSON.parse(JSON.stringify(saveState(state))) as SavedState);

const full: Record<string, () => Solver> = {
  auto,
  lbfgs,
  'lbfgs float32': () => lbfgs({ storage: 'float32' }),
  'lbfgs bounds': () => lbfgs({ lower: -2, upper: 0.7 }),
  bfgs,
  ssbfgs,
  ssbroyden,
  conjugateGradient,
  gradientDescent,
  newtonCG,
  owlqn: () => owlqn({ l1: 0.01 }),
  adam,
  amsgrad: () => adam({ amsgrad: true }),
  soap,
  sequence: () => sequence({ solver: adam(), iterations: 4 }, bfgs()),
  slbfgs,
};
const stochastic: Record<string, () => Solver> = {
  adam,
  soap,
  gradientDescent: () => gradientDescent({ learningRate: 0.01 }),
  slbfgs,
  'lbfgs overlap': () => lbfgs({ pairs: 'overlap' }),
};

describe('a run that is resumed', () => {
  for (const [name, solver] of Object.entries(full)) {
    it(`goes on bit for bit as if it had not been interrupted: ${name}`, () => {
      const whole = minimize(rosenbrock(), solver(), { maxIterations: 14, gtol: 0 });
      for (const at of [0, 3, 7]) {
        const first = minimize(rosenbrock(), solver(), { maxIterations: at, gtol: 0 });
        const resume = throughJson(first.state);
        const second = minimize(rosenbrock(), solver(), { maxIterations: 14 - at, gtol: 0, resume });
        expect(second.x).toEqual(whole.x);
        expect(second.f).toBe(whole.f);
        expect(second.iterations + first.iterations).toBe(whole.iterations);
        expect(saveState(second.state).structure).toBe(saveState(whole.state).structure);
      }
    });
  }

  for (const [name, solver] of Object.entries(stochastic)) {
    it(`goes on bit for bit on the batches that follow: ${name}`, () => {
      const whole = minimize(batches(), solver(), { maxIterations: 20 });
      const source = batches();
      const first = minimize(source, solver(), { maxIterations: 9 });
      expect(source.drawn()).toBe(9);
      const second = minimize(source, solver(), { maxIterations: 11, resume: throughJson(first.state) });
      expect(second.x).toEqual(whole.x);
      expect(second.state.iterate.gradient).toEqual(whole.state.iterate.gradient);
    });
  }

  it('says so where the state has converged already, of its point and not of a start', () => {
    const first = minimize(rosenbrock(), lbfgs());
    const again = minimize(rosenbrock(), lbfgs(), { resume: first.state });
    expect([first.converged, again.converged, again.iterations]).toEqual([true, true, 0]);
    expect(again.message).toBe(
      `The state to resume from already meets the tolerance: ‖∇f‖∞ = ${first.gradientNorm.toExponential(2)} is within 1.00e-8.`,
    );
  });

  it('notices a standstill of f after as many iterations as one that is not interrupted', () => {
    const rounded: Problem = {
      p0: Float64Array.from([1, -0.7, 1.6], Math.fround),
      precision: 'float32',
      fg(x, gradient) {
        let f = 0;
        x.forEach((value, i) => {
          const a = value - Math.sin(i);
          f += ((1 + 3 * i) * a * a) / 2 + Math.log(Math.cosh(a));
          if (gradient) gradient[i] = Math.fround((1 + 3 * i) * a + Math.tanh(a));
        });
        return Math.fround(1 + f);
      },
    };
    const run = (more: SolveOptions): SolveResult =>
      minimize(rounded, gradientDescent({ lineSearch: backtracking() }), { gtol: 0, ...more });
    const whole = run({ maxIterations: 200 });
    expect(whole.termination).toBe('precisionFloor');
    expect(whole.iterations).toBeGreaterThan(10);
    for (let at = whole.iterations - 10; at < whole.iterations; at++) {
      const first = run({ maxIterations: at });
      const second = run({ maxIterations: 200, resume: throughJson(first.state) });
      expect(first.iterations + second.iterations).toBe(whole.iterations);
    }
  });

  it('goes on bit for bit with a sum of squares', () => {
    const whole = minimize(squares(), levenbergMarquardt(), { maxIterations: 8 });
    const first = minimize(squares(), levenbergMarquardt(), { maxIterations: 3 });
    const resume = throughJson(first.state);
    const second = minimize(squares(), levenbergMarquardt(), { maxIterations: 5, resume });
    expect(second.x).toEqual(whole.x);
  });

  it('goes on bit for bit where the pairs lie in WebAssembly, and under transforms and scales', () => {
    for (const [n, scale, transform] of [
      [3000, 1, 'none'],
      [40, 1, 'log'],
      [40, 1e120, 'none'],
      [40, 1e-120, 'sqrt'],
    ] as const) {
      const { p0, fg } = rosenbrock(n);
      const problem: Problem = {
        p0,
        fg(x, gradient) {
          const f = scale * fg(x, gradient);
          if (gradient) for (let i = 0; i < n; i++) gradient[i] *= scale;
          return f;
        },
      };
      const options = { gtol: 0, transform };
      const whole = minimize(problem, lbfgs(), { ...options, maxIterations: 30 });
      const first = minimize(problem, lbfgs(), { ...options, maxIterations: 12 });
      const resume = throughJson(first.state);
      const second = minimize(problem, lbfgs(), { ...options, maxIterations: 18, resume });
      expect(second.x).toEqual(whole.x);
    }
  });

  it('can be resumed twice from one state, which stays as it is', () => {
    const first = minimize(rosenbrock(), bfgs(), { maxIterations: 5 });
    const before = JSON.stringify(saveState(first.state));
    const once = minimize(rosenbrock(), bfgs(), { maxIterations: 5, resume: first.state });
    const twice = minimize(rosenbrock(), bfgs(), { maxIterations: 5, resume: first.state });
    expect(once.x).toEqual(twice.x);
    expect(JSON.stringify(saveState(first.state))).toBe(before);
  });

  it('goes on from a state that a callback has taken', () => {
    const whole = minimize(rosenbrock(), lbfgs(), { maxIterations: 20 });
    let kept: RunState | undefined;
    const signal = new AbortController();
    expect(() =>
      minimize(rosenbrock(), lbfgs(), {
        signal: signal.signal,
        callback({ iteration, state }) {
          if (iteration === 6) kept = state();
          if (iteration === 8) signal.abort(new Error('power cut'));
        },
      }),
    ).toThrow('power cut');
    const rest = minimize(rosenbrock(), lbfgs(), { maxIterations: 14, resume: kept! });
    expect(rest.x).toEqual(whole.x);
  });

  it('returns the best point of both runs, and remembers the stopping rules', () => {
    const options = { maxIterations: 400, gtol: 0, gRel: 1e-6 };
    const whole = minimize(rosenbrock(), adam({ learningRate: 0.3 }), options);
    const first = minimize(rosenbrock(), adam({ learningRate: 0.3 }), { ...options, maxIterations: 250 });
    const resume = first.state;
    const second = minimize(rosenbrock(), adam({ learningRate: 0.3 }), {
      ...options,
      maxIterations: 150,
      resume,
    });
    expect(second.f).toBe(whole.f);
    expect(second.measures.gradient.tolerance).toBe(whole.measures.gradient.tolerance);
  });

  it('starts from the state instead of p0, and leaves parameters there', () => {
    const first = minimize(rosenbrock(), bfgs(), { maxIterations: 5 });
    const data = new Float64Array(6);
    const elsewhere = { ...rosenbrock(), p0: new Float64Array(6).fill(9), params: vectorParams(data) };
    const still = minimize(elsewhere, bfgs(), { maxIterations: 0, resume: first.state });
    expect(still.x).toEqual(first.x);
    expect(data).toEqual(first.x);
  });
});

/** Returns the error of a call. */
function refusalOf(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

describe('a state', () => {
  const { state } = minimize(rosenbrock(), lbfgs(), { maxIterations: 5 });
  const resumed = (change: Partial<Problem>, solver: Solver = lbfgs(), given: RunState = state) => {
    return () => minimize({ ...rosenbrock(), ...change }, solver, { resume: given });
  };

  it('a state of another solver, problem or transform is refused with all that differs', () => {
    expect(resumed({}, bfgs())).toThrow(/its solver is lbfgs, here it is bfgs.* Omit resume/);
    expect(resumed({ p0: new Float64Array(7) })).toThrow(/its number of unknowns is 6, here it is 7/);
    expect(resumed({ precision: 'float32' }, adam())).toThrow(
      /its solver is lbfgs, here it is adam; its precision is float64, here it is float32/,
    );
    expect(resumed({ nextBatch() {} })).toThrow(/all data at once, here it is mini-batches/);
    expect(() => minimize(rosenbrock(), lbfgs(), { resume: state, transform: 'log' })).toThrow(
      /its transform is none, here it is log/,
    );
    const shaped = (shape: number[]) => ({
      params: vectorParams(new Float64Array(6), layoutOf([{ name: 'w', shape }])),
    });
    const { state: wide } = minimize({ ...rosenbrock(), ...shaped([2, 3]) }, lbfgs(), { maxIterations: 2 });
    expect(resumed(shaped([3, 2]), lbfgs(), wide)).toThrow(
      /shapes of the tensors is \[2, 3\], here it is \[3, 2\]/,
    );
  });

  it('a state of other options is refused where they do not fit', () => {
    expect(resumed({}, lbfgs({ memory: 3 }))).toThrow(/does not fit the options of lbfgs\(\): memory\./);
    const plain = minimize(rosenbrock(), adam(), { maxIterations: 2 }).state;
    expect(resumed({}, adam({ amsgrad: true }), plain)).toThrow(/largestMoment has 0 numbers, not 6/);
    expect(resumed({}, lbfgs({ memory: 50, upper: -5 }))).toThrow(
      /resume: .*(does not fit|outside the bounds)/,
    );
    const two = minimize(rosenbrock(), sequence({ solver: adam(), iterations: 1 }, bfgs()), {
      maxIterations: 3,
    });
    expect(resumed({}, sequence(adam()), two.state)).toThrow(/of stage 2 of a sequence; this one has 1/);
  });

  it('a state of another function is refused by solvers with curvature, and taken by Adam', () => {
    const { fg } = rosenbrock();
    const other: Problem['fg'] = (x, gradient) => 3 * fg(x, gradient);
    expect(resumed({ fg: other })).toThrow(/data or the loss have changed/);
    const moments = minimize(rosenbrock(), adam(), { maxIterations: 3 }).state;
    const result = minimize({ ...rosenbrock(), fg: other }, adam(), { maxIterations: 3, resume: moments });
    expect(result.f).toBe(other(result.x, null));
  });

  it('is refused if it is not the state of a run, with a message that says so', () => {
    for (const resume of [1, 'state', null]) {
      const refusal = refusalOf(resumed({}, lbfgs(), resume as never));
      expect(refusal).toBeInstanceOf(RangeError);
      expect(refusal.message).toMatch(/resume: must be a state, as result\.state has it, got/);
    }
    const { iterate: _iterate, ...pointless } = state;
    const { problem: _problem, ...homeless } = state;
    for (const resume of [{}, { format: 1 }, { ...state, format: 2 }, pointless, homeless]) {
      const refusal = refusalOf(resumed({}, lbfgs(), resume as never));
      expect(refusal).toBeInstanceOf(TypeError);
      expect(refusal.message).toMatch(
        /^minimize: resume must be the state of a run, result\.state or what loadState returns, got an object with [^:]*\.$/,
      );
    }
    expect(refusalOf(resumed({}, lbfgs(), saveState(state) as never)).message).toMatch(
      /got an object with .*\. It is a saved state: loadState\(saved\) reads it\.$/,
    );
    for (const [given, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [3, '3'],
      ['text', '"text"'],
      [{ format: 1 }, 'an object with format'],
      [{ ...state, format: 2 }, 'an object with format, solver'],
    ] as const) {
      const refusal = refusalOf(() => saveState(given as never));
      expect(refusal).toBeInstanceOf(TypeError);
      expect(refusal.message).toContain(
        `saveState: state must be result.state or progress.state(), got ${shown}`,
      );
    }
    for (const [given, end] of [
      [undefined, 'got undefined.'],
      [null, 'got null.'],
      [{}, 'got an object with nothing.'],
      ['text', 'got "text". JSON.parse(text) comes first.'],
    ] as const) {
      const refusal = refusalOf(() => loadState(given as never));
      expect(refusal).toEqual(
        new TypeError(`loadState: this is no saved state, which saveState makes; ${end}`),
      );
    }
  });

  it('is refused if any part of it has another shape, and the part is named', () => {
    const resume = minimize(rosenbrock(), bfgs(), { maxIterations: 4 }).state;
    /** Paths to all parts of an object, below one of their own. */
    const pathsIn = (part: object, above: string[] = []): string[][] =>
      Object.entries(part).flatMap(([key, value]) => {
        const path = above.concat(key);
        const isParent = typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
        return isParent ? [path].concat(pathsIn(value as object, path)) : [path];
      });
    const parts = pathsIn(resume).filter(([first]) => ['iterate', 'best', 'convergence'].includes(first));
    expect(parts.length).toBeGreaterThan(30);
    const outcomes = parts.flatMap((path) =>
      ['text', null, undefined].map((value) => {
        const copy = structuredClone(resume) as unknown as Record<string, unknown>;
        let at = copy;
        for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
        const [key] = path.slice(-1);
        if (value === undefined) delete at[key];
        else at[key] = value;
        try {
          resumed({}, bfgs(), copy as unknown as RunState)();
          return null;
        } catch (error) {
          return (error as Error).message;
        }
      }),
    );
    expect(outcomes.filter((message) => message !== null && !/resume/.test(message))).toEqual([]);
  });

  it('that is damaged, of another version or something else is not loaded', () => {
    const saved = saveState(state);
    const bad = (change: object) => () => loadState({ ...saved, ...change });
    const flip = (text: string, i: number) =>
      text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1);
    for (let i = 0; i < saved.numbers.length; i += 97) {
      expect(bad({ numbers: flip(saved.numbers, i) })).toThrow(/damaged: its checksum differs/);
    }
    for (let i = 0; i < saved.structure.length; i += 31) {
      expect(bad({ structure: flip(saved.structure, i) })).toThrow(/damaged/);
    }
    expect(bad({ numbers: saved.numbers.slice(0, -8) })).toThrow(/damaged/);
    expect(bad({ numbers: '***' })).toThrow(/damaged/);
    expect(bad({ numbers: 3 })).toThrow(/damaged/);
    expect(bad({ version: 2 })).toThrow(/version 2; this release reads version 1/);
    expect(bad({ format: 'onnx' })).toThrow(/no saved state/);
    expect(() => loadState(JSON.stringify(saved) as never)).toThrow(/JSON.parse\(text\) comes first/);
    expect(() => loadState(null as never)).toThrow(/no saved state/);
  });

  it('is saved as little-endian float64 in base64, with a CRC-32 of its structure and of its numbers', () => {
    const { state: long } = minimize(rosenbrock(3000), lbfgs(), { maxIterations: 2 });
    const many = Array.from({ length: 60 }, (_, alpha) => ({ ...state, alpha }));
    // Digits that are 0 count, too.
    expect(many.some((each) => saveState(each).checksum.slice(8).startsWith('0'))).toBe(true);
    for (const given of [...many, long]) {
      const { structure, numbers } = pack(given);
      const bytes = Buffer.alloc(8 * numbers.length);
      numbers.forEach((value, i) => bytes.writeDoubleLE(value, 8 * i));
      const hex = (data: Uint8Array | string) => crc32(data).toString(16).padStart(8, '0');
      expect(saveState(given)).toEqual({
        format: 'quasi-newton run',
        version: 1,
        solver: 'lbfgs',
        checksum: hex(structure) + hex(bytes),
        structure,
        numbers: bytes.toString('base64'),
      });
      expect(saveState(loadState(saveState(given)))).toEqual(saveState(given));
    }
  });

  it('is refused as damaged if its numbers are cut off, even with a valid checksum', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const saved = {
      ...saveState(state),
      structure: '{}',
      numbers: Buffer.from(bytes).toString('base64'),
      checksum: [crc32('{}'), crc32(bytes)].map((sum) => sum.toString(16).padStart(8, '0')).join(''),
    };
    expect(() => loadState(saved)).toThrow(
      new TypeError(
        'loadState: the state is damaged: its checksum differs. Read it again, or resume an earlier one.',
      ),
    );
  });

  it('stays out of what is printed, spread and sent', () => {
    const result = minimize(rosenbrock(), lbfgs(), { maxIterations: 2 });
    expect(Object.keys(result)).not.toContain('state');
    expect(JSON.stringify(result)).not.toContain('iterate');
    expect(structuredClone({ ...result, toString: undefined }).x).toEqual(result.x);
  });

  it('cannot reach the prototypes of objects', () => {
    const iterate = JSON.parse('{"__proto__": {"polluted": 1}}') as RunState['iterate'];
    const evil = { ...state, iterate: { ...state.iterate, ...iterate } };
    expect(resumed({}, lbfgs(), evil)).toThrow(/__proto__ does not belong in a state/);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

it('a resumed run knows the largest and the smallest |f| of the earlier one', () => {
  const first = minimize(
    bowl,
    scripted([
      [1, 0],
      [2, 0],
    ]).solver,
    { maxIterations: 2 },
  );
  const { highest, smallest } = first.state;
  expect([highest, smallest]).toEqual([10, 0.5]);
  const again = minimize(bowl, scripted(['stay']).solver, { maxIterations: 0, resume: first.state });
  expect(again.state).toMatchObject({ highest, smallest });
});
