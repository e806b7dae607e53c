/**
 * Methods for the Jacobian of a model's residuals.
 *
 * @module
 */
import { layoutOf, type Layout } from '../../../core/layout.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import {
  cotangentNameOf,
  manyProducts,
  productGraphs,
  pulledNameOf,
  pushedNameOf,
  rowsNameOf,
  sampleGraphs,
  tangentNameOf,
} from './jacobianGraphs.ts';
import { tensorOver, type Ort, type OrtSession, type OrtTensors } from './ort.ts';
import { residualNameOf, type ResidualGraphs, type ResidualSource } from './residualGraphs.ts';
import { once, remembered } from './session.ts';
import { gather, viewsOf, zeros, type Reals } from './weights.ts';

/** Runs the graphs of one problem. */
export interface Runner {
  readonly ort: Ort;
  readonly precision: Precision;
  readonly params: ParamSet;
  /** Opens a session. */
  open(graph: Uint8Array): Promise<OrtSession>;
  /**
   * Runs a session at x on the problem's data.
   *
   * @param only - names of the session's inputs, if it lacks some of the data or parameters
   */
  runAt(
    session: OrtSession,
    x: Float64Array,
    outputs: readonly string[],
    more?: OrtTensors,
    only?: readonly string[],
  ): Promise<OrtTensors>;
}

/** Writes J(x), `[m, n]` row by row. */
type WriteJacobian = (x: Float64Array, jacobian: Float64Array) => Promise<void>;

/** Methods that compute a Jacobian, or products with it. */
export interface JacobianWays {
  /** Returns a function that writes r and J in one run; null if the model has no graph of all samples. */
  samples(): ((x: Float64Array, residuals: Float64Array, jacobian: Float64Array) => Promise<void>) | null;
  /** Writes J by one product Jᵀu for each residual. */
  readonly rows: WriteJacobian;
  /** Returns a function that writes J by one product Jv for each unknown; null if a node has no second derivative. */
  columns(): WriteJacobian | null;
  /** `product ← Jᵀu`, `[n]`. */
  vectorJacobian(x: Float64Array, u: Float64Array, product: Float64Array): Promise<void>;
  /** `product ← Jv`, `[m]`. */
  jacobianVector(x: Float64Array, v: Float64Array, product: Float64Array): Promise<void>;
}

/** Number of vectors multiplied in one run, if all nodes have rules of `vmap`. */
const AT_ONCE = 32;

/** Returns the methods. Graphs are built and sessions opened when they are first needed. */
export function jacobianWays(source: ResidualSource, graphs: ResidualGraphs, runner: Runner): JacobianWays {
  const { shapes } = graphs;
  const { params, ort, precision } = runner;
  const { layout } = params;
  const n = layout.length;
  const values = layoutOf(shapes.map((shape, k) => ({ name: cotangentNameOf(k), shape })));
  const m = values.length;

  const bySample = remembered(() => sampleGraphs(source, graphs));
  const sampleSessions = once(async () =>
    Promise.all(
      (bySample() ?? []).map(async ({ bytes, values, inputs }) => ({
        values,
        inputs,
        session: await runner.open(bytes),
      })),
    ),
  );
  const products = remembered(() => productGraphs(source));

  const cotangent = remembered(() => zeros(precision, m));
  const cotangents = remembered(() => viewsOf(ort, values, cotangent(), ({ name }) => name));
  const pull = once(() => runner.open(products().vectorJacobian));
  const tangent = remembered(() => zeros(precision, n));
  const tangentLayout = layoutOf(
    layout.tensors.map(({ name, shape }) => ({ name: tangentNameOf(name), shape })),
  );
  const tangents = remembered(() => viewsOf(ort, tangentLayout, tangent(), ({ name }) => name));
  const push = once(() => {
    const { jacobianVector } = products();
    if (jacobianVector === null) {
      throw new TypeError(
        'leastSquares: this model has no products Jv, because a node has no second derivative; levenbergMarquardt() works without them, checkJacobianAsync with { products: false }.',
      );
    }
    return runner.open(jacobianVector);
  });

  async function vectorJacobian(x: Float64Array, u: Float64Array, product: Float64Array): Promise<void> {
    cotangent().set(u);
    const names = layout.tensors.map(({ name }) => pulledNameOf(name));
    gather(await runner.runAt(await pull(), x, names, cotangents()), layout, names, product);
  }
  async function jacobianVector(x: Float64Array, v: Float64Array, product: Float64Array): Promise<void> {
    tangent().set(v);
    const results = await runner.runAt(
      await push(),
      x,
      shapes.map((_, k) => pushedNameOf(k)),
      { ...tangents(), ...cotangents() }, // Jv does not depend on u
    );
    values.tensors.forEach(({ offset }, k) => product.set(results[pushedNameOf(k)].data as Reals, offset));
  }

  const manyRows = once(async () => {
    const names = layout.tensors.map(({ name }) => pulledNameOf(name));
    const many = manyProducts(products().vectorJacobian, values, Math.min(AT_ONCE, m), names);
    return many && { ...many, session: await runner.open(many.bytes) };
  });
  const rows: WriteJacobian = async (x, jacobian) => {
    const many = await manyRows();
    if (many === null) {
      const u = new Float64Array(m);
      for (let i = 0; i < m; i++) {
        u.fill(0)[i] = 1;
        await vectorJacobian(x, u, jacobian.subarray(i * n, (i + 1) * n));
      }
      return;
    }
    const { count, session, inputs } = many;
    for (let from = 0; from < m; from += count) {
      const results = await runner.runAt(
        session,
        x,
        ['rows'],
        unitVectors(runner, values, from, count),
        inputs,
      );
      jacobian.set(
        (results.rows.data as Reals).subarray(0, (Math.min(m, from + count) - from) * n),
        from * n,
      );
    }
  };

  const manyColumns = once(async () => {
    const graph = products().jacobianVector ?? new Uint8Array();
    const many = manyProducts(graph, tangentLayout, Math.min(AT_ONCE, n));
    return many && { ...many, session: await runner.open(many.bytes) };
  });
  const columns: WriteJacobian = async (x, jacobian) => {
    const many = await manyColumns();
    if (many === null) {
      const [v, column] = [new Float64Array(n), new Float64Array(m)];
      for (let j = 0; j < n; j++) {
        v.fill(0)[j] = 1;
        await jacobianVector(x, v, column);
        for (let i = 0; i < m; i++) jacobian[i * n + j] = column[i];
      }
      return;
    }
    const { count, session, inputs } = many;
    for (let from = 0; from < n; from += count) {
      const names = shapes.map((_, k) => pushedNameOf(k));
      const vectors = { ...unitVectors(runner, tangentLayout, from, count), ...cotangents() };
      const results = await runner.runAt(session, x, names, vectors, inputs);
      for (const [k, { offset, size }] of values.tensors.entries()) {
        const data = results[pushedNameOf(k)].data as Reals;
        for (let b = 0; b < count && from + b < n; b++) {
          for (let i = 0; i < size; i++) jacobian[(offset + i) * n + from + b] = data[b * size + i];
        }
      }
    }
  };

  return {
    samples: () =>
      bySample() &&
      (async (x, residuals, jacobian) => {
        for (const { session, values: some, inputs } of await sampleSessions()) {
          const names = some.flatMap((k) => [residualNameOf(k), rowsNameOf(k)]);
          const results = await runner.runAt(session, x, names, {}, inputs);
          for (const k of some) {
            const { offset } = values.tensors[k];
            residuals.set(results[residualNameOf(k)].data as Reals, offset);
            jacobian.set(results[rowsNameOf(k)].data as Reals, offset * n);
          }
        }
      }),
    rows,
    columns: () => (products().jacobianVector === null ? null : columns),
    vectorJacobian,
    jacobianVector,
  };
}

/** Returns unit vectors `from`, `from` + 1, … as tensors `[count, …]`; those beyond the last are zeros. */
function unitVectors(
  { ort, precision }: Runner,
  { tensors }: Layout,
  from: number,
  count: number,
): OrtTensors {
  return Object.fromEntries(
    tensors.map(({ name, offset, size, shape }) => {
      const values = zeros(precision, count * size);
      for (let i = Math.max(from, offset); i < Math.min(from + count, offset + size); i++) {
        values[(i - from) * size + i - offset] = 1;
      }
      return [name, tensorOver(ort, precision, values, [count, ...shape])];
    }),
  );
}
