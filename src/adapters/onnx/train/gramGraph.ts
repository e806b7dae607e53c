import { encodeModel } from '../ir/model.ts';
import { deltaRows, operandRows, withBias, type Place, type Sampled, type Use } from './gramPlaces.ts';
import { planOf } from './gramPlan.ts';
import { ifPossible, sampleGraphs, type SampleGraph } from './jacobianGraphs.ts';
import { buildResiduals, onlyOutputs, type ResidualGraphs, type ResidualSource } from './residualGraphs.ts';
import { nodesBehind, separateSamples } from './separateSamples.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** Parameters whose derivatives are products of factors: a weight or an embedding table, with its biases, or only biases. */
export interface Site {
  readonly kind: Use['kind'];
  /** Number of biases that are added in the same places. */
  readonly biases: number;
  readonly places: readonly SitePlace[];
  /** Number of rows of an embedding table. */
  readonly rows: number;
}

/** A place of a site, with the names of outputs. */
export interface SitePlace {
  /** Inputs A of the layer, `[samples, positions, depth]`, or indices `[samples, positions, 1]`; null for a bias. */
  readonly operand: string | null;
  /** For each residual of a sample, its derivatives D with respect to the result, `[samples, positions, width]`. */
  readonly deltas: readonly string[];
  /** True if A and D have changed places, which only matters beside places where they have not. */
  readonly isFlipped: boolean;
  readonly positions: number;
}

/** Graphs of the parts of JJᵀ. */
export interface GramGraph {
  /** Graph of the factors, and of the rows that are made of them. */
  readonly factors: { readonly bytes: Uint8Array; readonly inputs: readonly string[] };
  readonly sites: readonly Site[];
  /** For each parameter whose rows are made of factors, and each residual of a sample, the name of the rows. */
  readonly products: readonly (readonly string[])[];
  /** Graph of the rows of J for the other parameters; null if there are none. */
  readonly rows: SampleGraph | null;
  readonly samples: number;
  /** Number of columns of each residual value. */
  readonly columns: readonly number[];
}

/** Most residuals per sample: each takes a backward pass of its own, and more would make the graph too large. */
const MAX_COLUMNS = 16;

/**
 * Builds the graphs of JJᵀ = Σ JₚJₚᵀ over the parameters p: of the factors of Jₚ where it has factors that are cheaper
 * to multiply than its rows, and of its rows otherwise.
 *
 * @returns null if samples interact, a part has no graph, or J would be as cheap
 */
export function gramGraph(source: ResidualSource, whole: ResidualGraphs): GramGraph | null {
  const [[samples]] = whole.sizes;
  const columns = whole.sizes.map(([, width]) => width);
  const total = columns.reduce((a, b) => a + b, 0);
  if (whole.sizes.some(([count]) => count !== samples) || total > MAX_COLUMNS) return null;
  return ifPossible(() => {
    const { differentiated, added } = buildResiduals(source, 1, (g, context, values) => {
      const parameters = source.names.map(context.value);
      const nodes = nodesBehind(g, values);
      const separate = separateSamples(g, nodes, parameters, samples);
      if (separate === null) return null;
      const sampled = { g, nodes, count: samples, samples: separate };
      const plan = planOf(sampled, parameters, total);
      if (plan === null) return null;
      const tables = values.map((value, k) => g.reshape(value, [samples, columns[k]]));
      const factors = { uses: [...plan.factors, ...plan.products], columns: total };
      const deltasOf = addDeltas(sampled, factors, g.concat(tables, 1), context.gradient);
      return {
        sites: addSites(sampled, plan.factors, deltasOf),
        products: plan.products.map((use) => addProduct(sampled, use, deltasOf)),
        names: source.names.filter((_, i) => plan.rows.has(parameters[i])),
      };
    });
    if (added === null) return null;
    const { names, ...parts } = added;
    const rows = names.length === 0 ? null : sampleGraphs({ ...source, names }, whole);
    if (names.length > 0 && rows === null) return null;
    return { factors: factorsOf(differentiated.bytes), ...parts, rows: rows?.[0] ?? null, samples, columns };
  });
}

function factorsOf(bytes: Uint8Array): GramGraph['factors'] {
  const model = onlyOutputs(bytes, (name) => name.startsWith('gram/'));
  const inputs = model.graph.input.map(({ name }) => name);
  return { bytes: encodeModel(model), inputs };
}

/** Derivatives of each residual of a sample with respect to the result of a place, and the value that it goes by. */
interface Deltas {
  readonly key: Value;
  readonly values: readonly Value[];
}

/** Adds the derivatives with respect to the results of all places; those of a product and of its sum with a bias are one. */
function addDeltas(
  sampled: Sampled,
  { uses, columns }: { readonly uses: readonly Use[]; readonly columns: number },
  residuals: Value,
  gradient: (of: Value, wrt: readonly Value[]) => Value[],
): (place: Place) => Deltas {
  const { g } = sampled;
  const keyOf = ({ result }: Place): Value => withBias(sampled, result);
  const results = [...new Set(uses.flatMap(({ places }) => places.map(keyOf)))];
  const all = Array.from({ length: columns }, (_, j) =>
    gradient(columns === 1 ? residuals : g.slice(residuals, j, j + 1, 1), results),
  );
  return (place) => {
    const key = keyOf(place);
    return { key, values: all.map((deltas) => deltas[results.indexOf(key)]) };
  };
}

/** Adds the factors as outputs; a weight and the biases that are added to its product make one site. */
function addSites(sampled: Sampled, uses: readonly Use[], deltasOf: (place: Place) => Deltas): Site[] {
  const { g } = sampled;
  const keyOf = ({ places }: Use): string => places.map((place) => deltasOf(place).key).join();
  const keys = [...new Set(uses.map(keyOf))];
  return keys.flatMap((key, k) => {
    const group = uses.filter((use) => keyOf(use) === key);
    const weights = group.filter(({ kind }) => kind !== 'bias');
    const biases = group.length - weights.length;
    return (weights.length > 0 ? weights : group.slice(0, 1)).map((use, i): Site => {
      const places = use.places.map((place, p): SitePlace => {
        const name = `${k}/${i}/${p}`;
        const deltas = deltasOf(place).values.map((delta, j) =>
          output(g, `gram/delta/${name}/${j}`, deltaRows(sampled, place, delta)),
        );
        const operand =
          place.operand === null ? null : output(g, `gram/operand/${name}`, operandRows(sampled, place));
        return { operand, deltas, isFlipped: place.isFlipped, positions: place.positions };
      });
      const rows = Number(g.shapeOf(use.parameter)?.[0] ?? 0);
      return { kind: use.kind, biases: i === 0 ? biases : 0, places, rows };
    });
  });
}

/** Adds the rows of J for one parameter, `[samples, size]`, an output for each residual of a sample. */
function addProduct(sampled: Sampled, use: Use, deltasOf: (place: Place) => Deltas): string[] {
  const { g, count } = sampled;
  const operands = use.places.map((place) => (place.operand === null ? null : operandRows(sampled, place)));
  const columns = deltasOf(use.places[0]).values.map((_, j) => {
    const parts = use.places.map((place, p) => {
      const delta = deltaRows(sampled, place, deltasOf(place).values[j]);
      const operand = operands[p];
      if (operand === null) return g.sum(delta, [1], false);
      const [first, second] = place.isFlipped ? [delta, operand] : [operand, delta];
      return g.matmul(g.swap(first), second);
    });
    const [first, ...others] = parts;
    return g.reshape(g.add(first, ...others), [count, -1]);
  });
  return columns.map((rows, j) => output(g, `gram/rows/${use.parameter}/${j}`, rows));
}

/** Adds an output and returns its name. */
function output(g: Builder, name: string, value: Value): string {
  g.addOutput(name, g.identity(value));
  return name;
}
