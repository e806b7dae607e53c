/**
 * Half levels of a grid, and the prediction of each point from the nearest points of coarser levels.
 *
 * In two dimensions, level 0 is the lattice of every `first`-th point. The following levels alternate between the centers
 * of its squares and the midpoints of their edges, which halve the stride. On a line, each level halves the stride. The
 * first and the last point of each axis belong to every lattice.
 *
 * @module
 */
import { middleOf, strides, type Draft } from '../grid/gridWalk.ts';

/** The levels of a grid. */
export interface HalfLevels {
  /** Level of each cell, `[ny * nx]`. */
  readonly of: Uint8Array;
  /** Cells of each level, ascending. */
  readonly cells: readonly (readonly number[])[];
  /** Stride of level 0. */
  readonly first: number;
  /** Number of levels that halve the stride: the number of dimensions. */
  readonly perHalving: 1 | 2;
}

/** Weights of a prediction, and the offsets of their cells in memory. */
export interface Stencil {
  readonly deltas: Int32Array;
  readonly weights: Float64Array;
}

/** Returns the levels of a grid; level 0 has about seven to twelve points per side. */
export function halfLevels({ x, y }: Pick<Draft, 'x' | 'y'>): HalfLevels {
  const isLine = y.length === 1;
  const side = (isLine ? x.length : Math.min(x.length, y.length)) - 1;
  const first = strides.find((stride) => side / stride >= 6) ?? 1;
  const depth = Math.log2(first);
  const columns = halvings(x, first);
  const rows = halvings(y, first);
  const levelAt = (cell: number) => {
    const u = columns[cell % x.length];
    const v = rows[Math.floor(cell / x.length)];
    if (isLine) return u;
    return 2 * Math.max(u, v) - (u === v && u > 0 ? 1 : 0);
  };
  const of = Uint8Array.from({ length: x.length * y.length }, (_, cell) => levelAt(cell));
  const perHalving = isLine ? 1 : 2;
  const cells = Array.from({ length: perHalving * depth + 1 }, (): number[] => []);
  of.forEach((level, cell) => cells[level].push(cell));
  return { of, cells, first, perHalving };
}

/** Returns, for each point of an axis, how often `first` is halved until its lattice contains the point. */
function halvings(axis: Float64Array, first: number): number[] {
  const middle = middleOf(axis);
  return Array.from(axis.keys(), (i) => {
    if (i === 0 || i === axis.length - 1) return 0;
    const stride = strides.find((s) => s <= first && (i - middle) % s === 0) ?? 1;
    return Math.log2(first / stride);
  });
}

/** Returns the distance of neighbors on the lattice that a level completes, in points. */
export function spacingOf({ first, perHalving }: HalfLevels, level: number): number {
  return first / 2 ** (level / perHalving);
}

/** Returns the stride of the lattice that a level completes; null for a level of centers. */
export function strideAfter({ first, perHalving }: HalfLevels, level: number): number | null {
  return level % perHalving === 0 ? first / 2 ** (level / perHalving) : null;
}

/** Number of points in a prediction; `reach` is how far they may be, in half strides. */
const neighbors = 12;
const reach = 7;

/** Returns a function that finds the stencils of cells above level 0. */
export function stencilsOf({ x, y }: Pick<Draft, 'x' | 'y'>, levels: HalfLevels): (cell: number) => Stencil {
  const [nx, ny] = [x.length, y.length];
  const inside = new Map<number, Stencil>();
  const atEdge = new Map<number, Stencil>();
  const weightsBy = new Map<string, Float64Array>();
  const build = (cell: number, half: number): Stencil => {
    const near = nearest(cell, nx, ny, half, levels.of);
    const key = near.join(';');
    let weights = weightsBy.get(key);
    if (weights === undefined) weightsBy.set(key, (weights = weightsAt(near)));
    return { deltas: Int32Array.from(near, ([dx, dy]) => dy * nx + dx), weights };
  };
  return (cell) => {
    const level = levels.of[cell];
    const half = levels.first / 2 ** Math.ceil(level / levels.perHalving);
    const isInside = (at: number, n: number) =>
      n === 1 || (at - reach * half > 0 && at + reach * half < n - 1);
    // Away from the edges, all cells of one level have the same stencil.
    const cache = isInside(cell % nx, nx) && isInside(Math.floor(cell / nx), ny) ? inside : atEdge;
    const key = cache === inside ? level : cell;
    let stencil = cache.get(key);
    if (stencil === undefined) cache.set(key, (stencil = build(cell, half)));
    return stencil;
  };
}

type Offset = readonly [dx: number, dy: number];

/** Returns the offsets of the nearest points of coarser levels. */
function nearest(cell: number, nx: number, ny: number, half: number, of: Uint8Array): Offset[] {
  const columns = stepsFrom(cell % nx, nx, half);
  const rows = stepsFrom(Math.floor(cell / nx), ny, half);
  const found = rows.flatMap((dy) => columns.map((dx): Offset => [dx, dy]));
  const size = ([dx, dy]: Offset) => dx * dx + dy * dy;
  return found
    .filter(([dx, dy]) => of[cell + dy * nx + dx] < of[cell])
    .sort((a, b) => size(a) - size(b) || a[1] - b[1] || a[0] - b[0])
    .slice(0, neighbors);
}

/** Returns offsets along an axis of n points: multiples of `half`, and those to both ends if they are as near. */
function stepsFrom(at: number, n: number, half: number): number[] {
  const steps = new Set<number>();
  for (let k = -reach; k <= reach; k++) if (at + k * half >= 0 && at + k * half < n) steps.add(k * half);
  for (const end of [-at, n - 1 - at]) if (Math.abs(end) <= reach * half) steps.add(end);
  return [...steps];
}

/**
 * Returns the weights of values at these offsets in the interpolant at 0, a sum of |p − pₖ|³ and a linear function.
 *
 * @see Wendland (2004), Scattered Data Approximation, chapter 8
 */
export function weightsAt(offsets: readonly Offset[]): Float64Array {
  const n = offsets.length;
  const scale = Math.max(...offsets.map(([dx, dy]) => Math.hypot(dx, dy)));
  const points = offsets.map(([dx, dy]) => [dx / scale, dy / scale] as const);
  // Points on a line determine no slope across it.
  const axes = ([0, 1] as const).filter((axis) => points.some((point) => point[axis] !== points[0][axis]));
  const size = n + 1 + axes.length;
  const rows = Array.from({ length: size }, () => new Float64Array(size + 1));
  points.forEach((a, k) => {
    points.forEach((b, l) => (rows[k][l] = Math.hypot(a[0] - b[0], a[1] - b[1]) ** 3));
    const tail = [1, ...axes.map((axis) => a[axis])];
    tail.forEach((value, t) => (rows[k][n + t] = rows[n + t][k] = value));
    rows[k][size] = Math.hypot(...a) ** 3;
  });
  rows[n][size] = 1;
  return solved(rows).subarray(0, n);
}

/** Solves linear equations, each with its right-hand side last, by elimination with pivoting. */
function solved(rows: Float64Array[]): Float64Array {
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let r = k + 1; r < n; r++) if (Math.abs(rows[r][k]) > Math.abs(rows[pivot][k])) pivot = r;
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let r = k + 1; r < n; r++) {
      const factor = rows[r][k] / rows[k][k];
      if (factor === 0) continue;
      for (let c = k; c <= n; c++) rows[r][c] -= factor * rows[k][c];
    }
  }
  const solution = new Float64Array(n);
  for (let k = n - 1; k >= 0; k--) {
    let sum = rows[k][n];
    for (let c = k + 1; c < n; c++) sum -= rows[k][c] * solution[c];
    solution[k] = sum / rows[k][k];
  }
  return solution;
}

/** Predicts the value of a cell. */
export function predictedAt(values: Float64Array, cell: number, { deltas, weights }: Stencil): number {
  let sum = 0;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * values[cell + deltas[k]];
  return sum;
}
