import { checkOptions, callable, oneOf } from '../../../core/options.ts';
import { dot } from '../../../core/vector.ts';
import { EPSILON } from '../../../core/epsilon.ts';
import { gradientNameOf } from '../ir/convention.ts';
import { OnnxError } from '../ir/errors.ts';
import { checkLength } from '../../../core/paramSet.ts';
import { checkFilled, checkProduct } from './vectors.ts';
import { jacobianGram } from './jacobianGram.ts';
import { dataInputs, targetInputs, type InputSpec } from './inputs.ts';
import { jacobianWays, type JacobianWays, type Runner } from './jacobianWays.ts';
import { refuseNoise } from './residualFeeds.ts';
import { residualGraphs, residualNameOf, residualsOfLoss } from './residualGraphs.ts';
import { once, run } from './session.ts';
import { gather, type Reals } from './weights.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision } from '../../../core/problem.ts';
import { openPlanned } from './blocks.ts';
import type { Engine, Loaded } from './engine.ts';
import { checkForm, type Feeds } from './feeds.ts';
import type { OrtSession, OrtTensors } from './ort.ts';
import type { ResidualFunction, ResidualGraphs, ResidualSource } from './residualGraphs.ts';

/**
 * Method for a Jacobian: all samples in one run (`'samples'`), a product Jᵀu for each residual (`'rows'`) or
 * Jv for each unknown (`'columns'`), all exact; or `'differences'`, computed by the solver.
 */
export type JacobianWay = 'samples' | 'rows' | 'columns' | 'differences';

/** Options of {@link OnnxModel.leastSquares}. */
export interface LeastSquaresOptions {
  /**
   * Residuals; the loss is the sum of their squares.
   *
   * @defaultValue those of the model's loss, which must be `'mse'`
   */
  readonly residuals?: ResidualFunction | undefined;
  /**
   * Method for the Jacobian.
   *
   * @defaultValue `'auto'`: `'samples'` if samples do not interact; otherwise `'rows'`, or `'columns'` if
   *   there are less than half as many unknowns as residuals
   */
  readonly jacobian?: 'auto' | JacobianWay | undefined;
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
  /** `product ← Jv`, `[m]`; an error if a node has no second derivative. */
  readonly jacobianVector: (x: Float64Array, v: Float64Array, product: Float64Array) => Promise<void>;
  /** `product ← Jᵀu`, `[n]`. */
  readonly vectorJacobian: (x: Float64Array, u: Float64Array, product: Float64Array) => Promise<void>;
  /** `product ← JJᵀ`, `[m, m]`; present if it takes less work than J does, and m ≤ n. */
  readonly jacobianGram?: (x: Float64Array, product: Float64Array) => Promise<void>;
  /** Returns the method used for the Jacobian; `'auto'` is resolved when it is first computed. */
  readonly jacobian: () => JacobianWay;
}

/** Relative disagreement with a finite difference above which a Jacobian counts as wrong. */
const TOLERANCE: Record<Precision, number> = { float32: 0.05, float64: 1e-4 };

/**
 * Returns the residuals of a loaded model on some data. `another` opens their sessions; its owner closes them.
 */
export function leastSquaresOf(
  { ort, file, plan, differentiated }: Loaded,
  engine: Engine,
  another: (graph: Uint8Array) => Promise<OrtSession>,
  feeds: Feeds,
  options: LeastSquaresOptions,
): OnnxLeastSquares {
  const { parameters, precision } = differentiated;
  checkOptions('leastSquares', options, {
    residuals: callable,
    jacobian: oneOf('auto', 'samples', 'rows', 'columns', 'differences'),
  });
  checkForm('leastSquares', feeds);
  const names = parameters.map(({ name }) => name);
  const source = sourceOf(file(), plan.differentiate, names, feeds, options);
  const graphs = graphsFor(source, () => checkOwn(engine, dataInputs(differentiated), feeds));
  refuseNoise(graphs);
  const specs = [...dataInputs(graphs.differentiated), ...targetInputs(graphs.differentiated)];
  const data = engine.checked(specs, feeds);
  const { params, fed } = engine.weights;
  const { setPoint, inputs } = fed();
  const m = graphs.sizes.reduce((sum, [samples, columns]) => sum + samples * columns, 0);
  const sessions = {
    residuals: once(() => another(graphs.residuals)),
    gradients: once(() => another(graphs.gradients)),
  };
  const residualNames = graphs.sizes.map((_, k) => residualNameOf(k));
  const runAt: Runner['runAt'] = (session, x, outputs, more, only) => {
    setPoint(x);
    const all: OrtTensors = { ...data, ...inputs, ...more };
    return run(session, only ? Object.fromEntries(only.map((name) => [name, all[name]])) : all, outputs);
  };
  const ways = jacobianWays(source, graphs, { ort, precision, params, open: another, runAt });

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
  const gram = m <= params.length ? jacobianGram(source, graphs, { open: another, runAt }) : null;
  const linearize = linearizer(ways, options.jacobian ?? 'auto', precision, residualsAt);

  return {
    /** The current parameters, so that another run continues where the last one ended. */
    get p0() {
      return params.copyInto(params.zeros());
    },
    params,
    precision,
    residualCount: m,
    jacobian: linearize.way,
    fg: (x, gradient) =>
      engine.inTurn(async () => {
        checkLength('fg: x', x, params.length);
        if (gradient !== null) checkFilled('fg: gradient', gradient, params.length);
        const r = new Float64Array(m);
        if (gradient === null) await residualsAt(x, r);
        else {
          const wanted = names.map(gradientNameOf);
          const results = await runAt(await sessions.gradients(), x, [...residualNames, ...wanted]);
          readResiduals(results, r);
          gather(results, params.layout, wanted, gradient);
        }
        return dot(r, r);
      }),
    residuals: (x, r, jacobian) =>
      engine.inTurn(async () => {
        checkLength('residuals: x', x, params.length);
        checkFilled('residuals: residuals', r, m);
        if (jacobian === null) return residualsAt(x, r);
        checkFilled('residuals: jacobian', jacobian, m * params.length);
        return linearize.at(x, r, jacobian);
      }),
    jacobianVector: (x, v, product) =>
      engine.inTurn(async () => {
        checkProduct('jacobianVector', { x, n: params.length, vector: ['v', v, params.length], product, m });
        return ways.jacobianVector(x, v, product);
      }),
    vectorJacobian: (x, u, product) =>
      engine.inTurn(async () => {
        checkProduct('vectorJacobian', {
          x,
          n: params.length,
          vector: ['u', u, m],
          product,
          m: params.length,
        });
        return ways.vectorJacobian(x, u, product);
      }),
    ...(gram !== null && {
      jacobianGram: (x: Float64Array, product: Float64Array) => engine.inTurn(() => gram(x, product)),
    }),
  };
}

/** Describes the model, the sizes of its data, and the requested residuals. */
function sourceOf(
  bytes: Uint8Array,
  differentiate: ResidualSource['options'],
  names: readonly string[],
  feeds: Feeds,
  { residuals }: LeastSquaresOptions,
): ResidualSource {
  return {
    bytes,
    options: differentiate,
    names,
    dimensions: new Map(Object.entries(feeds).map(([name, feed]) => [name, feed?.dims ?? []])),
    residuals: residuals ?? residualsOfLoss(differentiate),
  };
}

/** Checks the feeds of the model itself; throws an OnnxError naming every fault. */
function checkOwn(engine: Engine, specs: readonly InputSpec[], feeds: Feeds): void {
  const given = specs.flatMap(({ name }) => (feeds[name] ? [[name, feeds[name]] as const] : []));
  engine.checked(specs, Object.fromEntries(given));
}

/**
 * Builds the graphs of residuals.
 *
 * @param checkFeeds - throws if a feed of the model is missing or wrong, the likely cause of a graph that is refused
 */
function graphsFor(source: ResidualSource, checkFeeds: () => void): ResidualGraphs {
  try {
    return residualGraphs(source);
  } catch (error) {
    if (error instanceof OnnxError) checkFeeds();
    throw error;
  }
}

/** Computes r and J by the requested method, or the cheapest valid one. */
function linearizer(
  ways: JacobianWays,
  asked: 'auto' | JacobianWay,
  precision: Precision,
  residualsAt: (x: Float64Array, r: Float64Array) => Promise<void>,
) {
  let way: JacobianWay | undefined = asked === 'auto' ? undefined : asked;
  const exact = (m: number, n: number): JacobianWay =>
    2 * n < m && ways.columns() !== null ? 'columns' : 'rows';

  /**
   * Tries the graph of all samples, which is wrong if samples interact, because it differentiates each one
   * separately.
   */
  async function trySamples(x: Float64Array, r: Float64Array, jacobian: Float64Array): Promise<boolean> {
    const bySample = ways.samples();
    if (bySample === null) return false;
    await bySample(x, r, jacobian);
    const found = r.slice();
    await residualsAt(x, r);
    return isNear(found, r, precision) && agrees(x, jacobian, precision, residualsAt, r.length);
  }
  async function at(x: Float64Array, r: Float64Array, jacobian: Float64Array): Promise<void> {
    if (way === undefined) {
      if (await trySamples(x, r, jacobian)) {
        way = 'samples';
        return;
      }
      way = exact(r.length, x.length);
    }
    if (way === 'samples') {
      const bySample = ways.samples() ?? refused('samples', 'a node has no rule for many samples at once');
      return bySample(x, r, jacobian);
    }
    if (way === 'rows') await ways.rows(x, jacobian);
    if (way === 'columns') {
      await (ways.columns() ?? refused('columns', 'a node has no second derivative'))(x, jacobian);
    }
    await residualsAt(x, r);
  }
  return { at, way: (): JacobianWay => way ?? (ways.samples() === null ? 'rows' : 'samples') };
}

function refused(way: JacobianWay, reason: string): never {
  throw new TypeError(
    `leastSquares: jacobian: '${way}' is not available for this model: ${reason}; omit the option, or use 'rows'.`,
  );
}

/** Returns true if two lists of residuals differ only by rounding. */
function isNear(a: Float64Array, b: Float64Array, precision: Precision): boolean {
  let [distance, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    distance += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  // If residuals are not finite, there is nothing to compare.
  return !(distance > TOLERANCE[precision] ** 2 * size);
}

/** Compares Jv with a central difference of the residuals along one direction. */
async function agrees(
  x: Float64Array,
  jacobian: Float64Array,
  precision: Precision,
  residualsAt: (x: Float64Array, r: Float64Array) => Promise<void>,
  m: number,
): Promise<boolean> {
  const n = x.length;
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

/** Returns functions that open sessions, and close all of them. */
export function sessionsOf({ ort, plan, differentiated: { precision } }: Loaded) {
  const opened: Promise<OrtSession>[] = [];
  return {
    another(graph: Uint8Array): Promise<OrtSession> {
      const session = openPlanned(ort, graph, plan, precision);
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
