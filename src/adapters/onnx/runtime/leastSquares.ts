import { checkOptions, callable, oneOf } from '../../../core/options.ts';
import { dot } from '../../../core/vector.ts';
import { gradientNameOf } from '../ir/convention.ts';
import { jacobianNameOf, residualGraphs, residualNameOf, residualsOfLoss } from './residualGraphs.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision } from '../../../core/problem.ts';
import type { Engine, Loaded } from './engine.ts';
import type { Feeds } from './feeds.ts';
import { dataInputs, targetInputs } from './inputs.ts';
import type { OrtSession, OrtTensors } from './ort.ts';
import type { ResidualFunction, ResidualGraphs } from './residualGraphs.ts';
import { once, open, run } from './session.ts';
import { gather, type Reals } from './weights.ts';

/** Options of {@link OnnxModel.leastSquares}. */
export interface LeastSquaresOptions {
  /**
   * Residuals, the loss being the sum of their squares.
   *
   * @defaultValue those of the model's loss, which must be `'mse'`
   */
  readonly residuals?: ResidualFunction;
  /**
   * Way to the Jacobian: `'samples'`, exact, in one run with the weights copied for each sample, for models of dense
   * layers; or left to the solver, which takes differences, a run for each unknown.
   *
   * @defaultValue `'auto'`: `'samples'` where it can be had and agrees with a difference at the start
   */
  readonly jacobian?: 'auto' | 'differences';
}

/** A sum of squares of a model's residuals, for `levenbergMarquardt()` and every other solver. */
export interface OnnxLeastSquares extends AsyncProblem {
  readonly params: ParamSet;
  readonly precision: Precision;
  readonly residualCount: number;
  readonly residuals: (
    x: Float64Array,
    residuals: Float64Array,
    jacobian: Float64Array | null,
  ) => Promise<void>;
  /** Way to the Jacobian that the model allows; `'samples'` turns to `'differences'` if a check at the start fails. */
  readonly jacobian: () => 'samples' | 'differences';
}

/** Relative disagreement of a Jacobian with a difference that tells it wrong. */
const TOLERANCE: Record<Precision, number> = { float32: 0.05, float64: 1e-4 };
const EPSILON: Record<Precision, number> = { float32: 2 ** -23, float64: 2 ** -52 };

/** Residuals of a loaded model on some data; its sessions are opened by `another`, who closes them. */
export function leastSquaresOf(
  { bytes, plan, differentiated: { parameters, precision } }: Loaded,
  engine: Engine,
  another: (graph: Uint8Array) => Promise<OrtSession>,
  feeds: Feeds,
  options: LeastSquaresOptions,
): OnnxLeastSquares {
  checkOptions('leastSquares', options, { residuals: callable, jacobian: oneOf('auto', 'differences') });
  const names = parameters.map(({ name }) => name);
  const residualFunction = options.residuals ?? residualsOfLoss(plan.differentiate);
  const dimensions = new Map(Object.entries(feeds).map(([name, feed]) => [name, feed?.dims ?? []]));
  const graphs = residualGraphs(bytes, plan.differentiate, names, dimensions, residualFunction);
  const specs = [...dataInputs(graphs.differentiated), ...targetInputs(graphs.differentiated)];
  const data = engine.checked(specs, feeds);
  const { params, point, inputs } = engine.weights;
  const n = params.length;
  const m = graphs.sizes.reduce((sum, [samples, columns]) => sum + samples * columns, 0);
  const sessions = {
    residuals: once(() => another(graphs.residuals)),
    gradients: once(() => another(graphs.gradients)),
    rows: once(() => another(graphs.rows ?? new Uint8Array())),
  };
  const residualNames = graphs.sizes.map((_, k) => residualNameOf(k));
  let way: 'samples' | 'differences' =
    graphs.rows && options.jacobian !== 'differences' ? 'samples' : 'differences';
  let isChecked = false;

  async function runAt(
    session: OrtSession,
    x: Float64Array,
    outputs: readonly string[],
  ): Promise<OrtTensors> {
    point.set(x);
    return run(session, { ...data, ...inputs }, outputs);
  }
  function readResiduals(results: OrtTensors, r: Float64Array): void {
    let offset = 0;
    for (const name of residualNames) {
      r.set(results[name].data as Reals, offset);
      offset += results[name].data.length;
    }
  }
  async function residualsAt(x: Float64Array, r: Float64Array): Promise<void> {
    readResiduals(await runAt(await sessions.residuals(), x, residualNames), r);
  }
  async function rowsAt(x: Float64Array, r: Float64Array, jacobian: Float64Array): Promise<void> {
    const outputs = graphs.sizes.flatMap(([, columns], k) =>
      Array.from({ length: columns }, (_, j) => names.map((name) => jacobianNameOf(name, k, j))).flat(),
    );
    const results = await runAt(await sessions.rows(), x, [...residualNames, ...outputs]);
    readResiduals(results, r);
    gatherRows(results, graphs, params, jacobian);
  }

  return {
    /** The parameters as they are now: another run goes on from where the last one ended. */
    get p0() {
      return params.copyInto(params.zeros());
    },
    params,
    precision,
    residualCount: m,
    jacobian: () => way,
    fg: (x, gradient) =>
      engine.inTurn(async () => {
        const r = new Float64Array(m);
        if (gradient === null) await residualsAt(x, r);
        else {
          const outputs = [...residualNames, ...names.map(gradientNameOf)];
          const results = await runAt(await sessions.gradients(), x, outputs);
          readResiduals(results, r);
          gather(results, params.layout, gradientNameOf, gradient);
        }
        return dot(r, r);
      }),
    residuals: (x, r, jacobian) =>
      engine.inTurn(async () => {
        if (jacobian === null || way === 'differences') return residualsAt(x, r);
        await rowsAt(x, r, jacobian);
        if (isChecked) return;
        isChecked = true;
        if (await agrees(x, jacobian, n, m, precision, residualsAt)) return;
        // Samples that see each other, as through a norm over the batch, have no rows of their own.
        way = 'differences';
        jacobian.fill(NaN);
      }),
  };
}

/** Writes the rows of the Jacobian, `[m, n]`, from the gradients of each sample. */
function gatherRows(
  results: OrtTensors,
  { sizes }: ResidualGraphs,
  { layout: { length: n, tensors } }: ParamSet,
  jacobian: Float64Array,
): void {
  let first = 0;
  for (const [k, [samples, columns]] of sizes.entries()) {
    for (let j = 0; j < columns; j++) {
      for (const { name, offset, size } of tensors) {
        const data = results[jacobianNameOf(name, k, j)].data as Reals;
        for (let i = 0; i < samples; i++) {
          jacobian.set(data.subarray(i * size, (i + 1) * size), (first + i * columns + j) * n + offset);
        }
      }
    }
    first += samples * columns;
  }
}

/** Compares Jv with a central difference of the residuals along one direction. */
async function agrees(
  x: Float64Array,
  jacobian: Float64Array,
  n: number,
  m: number,
  precision: Precision,
  residualsAt: (x: Float64Array, r: Float64Array) => Promise<void>,
): Promise<boolean> {
  const size = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const step = Math.cbrt(EPSILON[precision]) * size;
  const move = x.map((_, j) => (Math.imul(j + 1, 0x9e3779b1) & 0x10000 ? step : -step));
  const [ahead, behind] = [new Float64Array(m), new Float64Array(m)];
  await residualsAt(
    x.map((value, j) => value + move[j]),
    ahead,
  );
  await residualsAt(
    x.map((value, j) => value - move[j]),
    behind,
  );
  let [distance, total] = [0, 0];
  for (let i = 0; i < m; i++) {
    const along = dot(jacobian.subarray(i * n, (i + 1) * n), move);
    distance += ((ahead[i] - behind[i]) / 2 - along) ** 2;
    total += along * along;
  }
  return distance <= TOLERANCE[precision] ** 2 * total;
}

/** Opens sessions, and closes them all. */
export function sessionsOf({ ort, plan }: Loaded) {
  const opened: Promise<OrtSession>[] = [];
  return {
    another(graph: Uint8Array): Promise<OrtSession> {
      const session = open(ort, graph, plan.session);
      opened.push(session);
      return session;
    },
    async release(): Promise<void> {
      for (const session of await Promise.allSettled(opened.splice(0))) {
        if (session.status === 'fulfilled') await session.value.release();
      }
    },
  };
}
