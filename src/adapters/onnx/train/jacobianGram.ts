import { gram } from '../../../core/kernels/gram.ts';
import { gramGraph, type GramGraph, type Site } from './gramGraph.ts';
import { rowsNameOf } from './jacobianGraphs.ts';
import { once } from './session.ts';
import type { Runner } from './jacobianWays.ts';
import type { OrtTensors } from './ort.ts';
import type { ResidualGraphs, ResidualSource } from './residualGraphs.ts';
import type { Reals } from './weights.ts';

/** Computes JJᵀ, `[m, m]`. */
type WriteGram = (x: Float64Array, product: Float64Array) => Promise<void>;

/**
 * Computes JJᵀ without J. A dense layer with inputs A contributes (AAᵀ) ∘ (DDᵀ), and its bias DDᵀ, where D holds the
 * derivatives of the residuals with respect to the layer's results; an embedding is a dense layer of unit vectors. Layers
 * with several rows per sample contribute a sum over pairs of rows, or the products of their rows of J, whichever is
 * cheaper; a convolution is a dense layer on each place of its window. Other parameters contribute the products of their
 * rows of J.
 *
 * @returns a function that writes it; null if samples interact, or J would be as cheap
 * @see Novak, Sohl-Dickstein & Schoenholz (2022), Fast finite width neural tangent kernel, arXiv:2206.08720
 */
export function jacobianGram(
  source: ResidualSource,
  graphs: ResidualGraphs,
  { open, runAt }: Pick<Runner, 'open' | 'runAt'>,
): WriteGram | null {
  const made = gramGraph(source, graphs);
  if (made === null) return null;
  const { factors, sites, products, rows, samples, columns } = made;
  const sessions = once(async () => ({
    factors: await open(factors.bytes),
    rows: rows && (await open(rows.bytes)),
  }));
  const order = orderOf(samples, columns);
  const m = order.sample.length;
  const names = [...new Set([...sites.flatMap(namesOf), ...products.flat()])];
  return async (x, product) => {
    const opened = await sessions();
    product.fill(0);
    const scratch = tables();
    const addRows = (values: Float64Array): void => {
      const table = scratch('own', m);
      productsOfRows(values, m, table);
      for (let at = 0; at < table.length; at++) product[at] += table[at];
    };
    if (rows !== null && opened.rows !== null) {
      const outputs = columns.map((_, k) => rowsNameOf(k));
      const results = await runAt(opened.rows, x, outputs, {}, rows.inputs);
      addRows(joined(outputs.map((name) => numbersOf(results, name))));
    }
    const results = await runAt(opened.factors, x, names, {}, factors.inputs);
    for (const each of products) {
      const tables = each.map((name) => numbersOf(results, name));
      addRows(stacked([{ tables }], order.sample, order.column, samples));
    }
    for (const site of sites) addSite(site, results, order, product, scratch);
    mirror(product, m);
  };
}

const namesOf = ({ places }: Site): string[] =>
  places.flatMap(({ operand, deltas }) => (operand === null ? deltas : [operand, ...deltas]));

const numbersOf = (results: OrtTensors, name: string): Reals => results[name].data as Reals;

/** Sample and column of each residual, `[m]`: those of one residual value follow each other sample by sample. */
interface Order {
  readonly sample: Int32Array;
  readonly column: Int32Array;
  readonly samples: number;
  readonly columns: number;
}

function orderOf(samples: number, widths: GramGraph['columns']): Order {
  const columns = widths.reduce((a, b) => a + b, 0);
  const [sample, column] = [new Int32Array(samples * columns), new Int32Array(samples * columns)];
  let [at, first] = [0, 0];
  for (const width of widths) {
    for (let s = 0; s < samples; s++) {
      for (let j = 0; j < width; j++, at++) [sample[at], column[at]] = [s, first + j];
    }
    first += width;
  }
  return { sample, column, samples, columns };
}

/** `out ←` the products of all pairs of rows, the lower triangle of `[count, count]`. */
function productsOfRows(values: Float64Array, count: number, out: Float64Array): void {
  const length = values.length / count;
  gram({ values, count, length, vectorStride: length, stride: 1 }, out);
}

/** Returns a lookup of square tables, which later calls with the same arguments use again. */
function tables(): (name: string, count: number) => Float64Array {
  const made = new Map<string, Float64Array>();
  return (name, count) => {
    const key = `${name} ${count}`;
    const table = made.get(key) ?? new Float64Array(count * count);
    made.set(key, table);
    return table;
  };
}

/** Adds the products of a site to the lower triangle. */
function addSite(
  site: Site,
  results: OrtTensors,
  order: Order,
  product: Float64Array,
  scratch: ReturnType<typeof tables>,
): void {
  const { sample, samples, columns } = order;
  const m = sample.length;
  const positions = site.places.reduce((sum, place) => sum + place.positions, 0);
  const { shared, own } = factorsOf(site, results, order);
  const ofOwn = scratch('own', m * positions);
  productsOfRows(own, m * positions, ofOwn);
  if (shared === null) addPairs(product, ofOwn, null, site.biases, order, positions);
  else {
    const count = samples * positions;
    const ofShared = scratch('shared', count);
    if (site.kind === 'lookup') equalPairs(shared, site.rows, ofShared);
    else productsOfRows(shared, count, ofShared);
    // Several residual values are not in the order of the samples.
    if (columns > 1) mirror(ofShared, count);
    addPairs(product, ofOwn, ofShared, site.biases, order, positions);
  }
}

/**
 * Returns the factors of a site: A, `[samples·positions, depth]`, and D, `[m·positions, width]`. Where a weight enters
 * as it is and transposed, each belongs to one axis of the weight.
 */
function factorsOf({ places }: Site, results: OrtTensors, order: Order) {
  const { sample, column, samples } = order;
  const tables = places.map(({ operand, deltas, isFlipped }) => ({
    operand: operand === null ? null : [numbersOf(results, operand)],
    deltas: deltas.map((name) => numbersOf(results, name)),
    isFlipped,
  }));
  const isMixed = tables.some(({ isFlipped }) => isFlipped !== tables[0].isFlipped);
  const bySample = Int32Array.from({ length: samples }, (_, s) => s);
  const none = new Int32Array(samples);
  const pick = (isFirst: boolean) =>
    tables.map(({ operand, deltas, isFlipped }) => {
      const isOperand = isMixed && isFlipped ? !isFirst : isFirst;
      return { tables: (isOperand ? operand : deltas) ?? [] };
    });
  const hasOperand = tables.every(({ operand }) => operand !== null);
  return {
    shared: hasOperand ? stacked(pick(true), bySample, none, samples) : null,
    own: stacked(pick(false), sample, column, samples),
  };
}

/** A table for each column, `[samples, …]`. */
interface Part {
  readonly tables: readonly Reals[];
}

/** Puts the rows of one sample and column below each other, those of all parts, for each pair of sample and column. */
function stacked(
  parts: readonly Part[],
  sample: Int32Array,
  column: Int32Array,
  samples: number,
): Float64Array {
  const sizes = parts.map(({ tables }) => tables[0].length / samples);
  const length = sizes.reduce((a, b) => a + b, 0);
  if (parts.length === 1 && parts[0].tables.length === 1) return Float64Array.from(parts[0].tables[0]);
  const rows = new Float64Array(sample.length * length);
  sample.forEach((s, i) => {
    let at = i * length;
    parts.forEach(({ tables }, p) => {
      rows.set(tables[column[i]].subarray(s * sizes[p], (s + 1) * sizes[p]), at);
      at += sizes[p];
    });
  });
  return rows;
}

/** Adds Σ (A·A + biases)(D·D) over the pairs of rows of each pair of residuals. */
function addPairs(
  product: Float64Array,
  ofOwn: Float64Array,
  ofShared: Float64Array | null,
  biases: number,
  { sample, samples }: Order,
  positions: number,
): void {
  const m = sample.length;
  if (positions === 1) {
    for (let i = 0; i < m; i++) {
      const [row, sharedRow] = [i * m, sample[i] * samples];
      if (ofShared === null) for (let j = 0; j <= i; j++) product[row + j] += biases * ofOwn[row + j];
      else if (samples === m) {
        for (let j = 0; j <= i; j++) product[row + j] += (biases + ofShared[row + j]) * ofOwn[row + j];
      } else {
        for (let j = 0; j <= i; j++) {
          product[row + j] += (biases + ofShared[sharedRow + sample[j]]) * ofOwn[row + j];
        }
      }
    }
    return;
  }
  const [stride, sharedStride] = [m * positions, samples * positions];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let p = 0; p < positions; p++) {
        const row = (i * positions + p) * stride + j * positions;
        const sharedRow = (sample[i] * positions + p) * sharedStride + sample[j] * positions;
        // For a residual with itself, only the lower triangle is stored.
        const end = i === j ? p + 1 : positions;
        for (let q = 0; q < end; q++) {
          const factor = biases + (ofShared === null ? 0 : ofShared[sharedRow + q]);
          sum += (i === j && q < p ? 2 : 1) * factor * ofOwn[row + q];
        }
      }
      product[i * m + j] += sum;
    }
  }
}

/** `out ←` 1 for equal indices, 0 for others, the lower triangle; negative ones count from the end. */
function equalPairs(indices: Float64Array, rows: number, out: Float64Array): void {
  const count = indices.length;
  const placeOf = (index: number): number => (index < 0 ? index + rows : index);
  for (let i = 0; i < count; i++) {
    const own = placeOf(indices[i]);
    for (let j = 0; j <= i; j++) out[i * count + j] = placeOf(indices[j]) === own ? 1 : 0;
  }
}

/** Copies the lower triangle to the upper one. */
function mirror(matrix: Float64Array, count: number): void {
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) matrix[j * count + i] = matrix[i * count + j];
  }
}

function joined(parts: readonly Reals[]): Float64Array {
  const rows = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  return rows;
}
