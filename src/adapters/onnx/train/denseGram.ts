import { gram } from '../../../core/kernels/gram.ts';
import { denseGraph } from './denseGraph.ts';
import { once } from './session.ts';
import type { Runner } from './jacobianWays.ts';
import type { ResidualGraphs, ResidualSource } from './residualGraphs.ts';
import type { Reals } from './weights.ts';

/**
 * Computes JJᵀ of dense layers without J: a layer with inputs A contributes (AAᵀ) ∘ (DDᵀ), and its bias DDᵀ, where D
 * holds the derivatives of the residuals with respect to the layer's results.
 *
 * @returns a function that writes it, `[m, m]`; null if some parameters are not those of dense layers
 * @see Novak, Sohl-Dickstein & Schoenholz (2022), Fast finite width neural tangent kernel, arXiv:2206.08720
 */
export function denseGram(
  source: ResidualSource,
  graphs: ResidualGraphs,
  { open, runAt }: Pick<Runner, 'open' | 'runAt'>,
): ((x: Float64Array, product: Float64Array) => Promise<void>) | null {
  const made = denseGraph(source, graphs);
  if (made === null) return null;
  const { bytes, sites, samples, columns, inputs } = made;
  const session = once(() => open(bytes));
  const m = samples * columns;
  const names = sites.flatMap(({ input, deltas }) => (input === null ? deltas : [input, ...deltas]));
  return async (x, product) => {
    const results = await runAt(await session(), x, names, {}, inputs);
    const numbersOf = (name: string): Reals => results[name].data as Reals;
    const [ofDeltas, ofInputs] = [new Float64Array(m * m), new Float64Array(samples * samples)];
    product.fill(0);
    for (const { input, hasBias, deltas } of sites) {
      pairs(interleaved(deltas.map(numbersOf), samples), m, ofDeltas);
      if (input !== null) pairs(Float64Array.from(numbersOf(input)), samples, ofInputs);
      addLayer(product, ofDeltas, input === null ? null : ofInputs, hasBias ? 1 : 0, columns);
    }
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < i; j++) product[j * m + i] = product[i * m + j];
    }
  };
}

/** `out ←` the products of all pairs of rows, the lower triangle of `[count, count]`. */
function pairs(values: Float64Array, count: number, out: Float64Array): void {
  const length = values.length / count;
  gram({ values, count, length, vectorStride: length, stride: 1 }, out);
}

/** Returns row 0 of each table, then row 1 of each, …: the derivatives in the order of the residuals. */
function interleaved(tables: readonly Reals[], samples: number): Float64Array {
  if (tables.length === 1) return Float64Array.from(tables[0]);
  const width = tables[0].length / samples;
  const rows = new Float64Array(tables.length * tables[0].length);
  tables.forEach((table, j) => {
    for (let i = 0; i < samples; i++) {
      rows.set(table.subarray(i * width, (i + 1) * width), (i * tables.length + j) * width);
    }
  });
  return rows;
}

/** Adds (AAᵀ + b) ∘ (DDᵀ) to the lower triangle; all residuals of a sample share its inputs. */
function addLayer(
  product: Float64Array,
  ofDeltas: Float64Array,
  ofInputs: Float64Array | null,
  bias: number,
  columns: number,
): void {
  const m = Math.sqrt(product.length);
  const samples = m / columns;
  for (let i = 0; i < m; i++) {
    const row = Math.floor(i / columns) * samples;
    for (let j = 0, at = i * m; j <= i; j++, at++) {
      const factor = ofInputs === null ? 0 : ofInputs[row + (columns === 1 ? j : Math.floor(j / columns))];
      product[at] += (factor + bias) * ofDeltas[at];
    }
  }
}
