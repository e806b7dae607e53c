import type { Value } from '../ir/graph.ts';
import { useOf, type Sampled, type Use } from './gramPlaces.ts';

/** The parameters by the way that their part of JJᵀ is computed. */
export interface GramPlan {
  /** By products of factors. */
  readonly factors: readonly Use[];
  /** By rows of J, which are made of factors. */
  readonly products: readonly Use[];
  /** By rows of J of any other kind. */
  readonly rows: ReadonlySet<Value>;
}

/** Most elements of a table of products, 256 MB. */
const MAX_PRODUCTS = 2 ** 25;
/** Most elements of rows of J, a gigabyte. */
const MAX_ROWS = 2 ** 27;
/** An element of a table of products costs as much as this many multiplications by SIMD. */
const COMBINING = 4;
/** Factors that cost up to this many times as much as rows are preferred: a bias costs nothing then. */
const PREFERRED = 1.25;
/** The same if the rows take a graph of their own. */
const PREFERRED_TO_GRAPH = 2;

/** Chooses the cheapest way for each parameter; returns null if all together are not cheaper than J. */
export function planOf(sampled: Sampled, parameters: readonly Value[], columns: number): GramPlan | null {
  const m = sampled.count * columns;
  const [factors, products]: [Use[], Use[]] = [[], []];
  const rows = new Set<Value>();
  let [cost, ofJacobian, elements] = [0, 0, 0];
  for (const parameter of parameters) {
    const shape = sampled.g.shapeOf(parameter) ?? [];
    const size = shape.reduce<number>((product, each) => product * Number(each), 1);
    const byRows = (m * m * size) / 2;
    const use = useOf(sampled, parameter);
    const byFactors = use === null ? Infinity : costOf(sampled, use, columns);
    const isProduct = use !== null && use.kind !== 'lookup';
    if (use !== null && byFactors <= (isProduct ? PREFERRED : PREFERRED_TO_GRAPH) * byRows) factors.push(use);
    else {
      if (isProduct) products.push(use);
      else rows.add(parameter);
      elements += m * size;
    }
    ofJacobian += byRows;
    cost += Math.min(byFactors, byRows);
  }
  // Without the graph of all samples at once, J of convolutions is slow.
  const isCheaper = cost < ofJacobian || products.some(({ places }) => places[0].convolution !== null);
  return isCheaper && factors.length + products.length > 0 && elements <= MAX_ROWS
    ? { factors, products, rows }
    : null;
}

/** Multiplications for the products of factors. */
function costOf({ count }: Sampled, { kind, places }: Use, columns: number): number {
  const positions = places.reduce((sum, place) => sum + place.positions, 0);
  const [rows, own] = [count * positions, count * columns * positions];
  // A and D can change places only if each sample has one of both.
  if (places.some(({ isFlipped }) => isFlipped !== places[0].isFlipped) && columns > 1) return Infinity;
  if (own * own > MAX_PRODUCTS) return Infinity;
  const [{ depth, width }] = places;
  // With the weight of a dense layer, DDᵀ is there.
  if (kind === 'bias') return (own * own * (positions === 1 ? 1 : width + COMBINING)) / 2;
  return (rows * rows * depth + own * own * (width + COMBINING)) / 2;
}
