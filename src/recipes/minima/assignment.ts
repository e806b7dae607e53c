/** A partial assignment with potentials; rows and columns count from 1. */
interface Matching {
  readonly n: number;
  /** Cost of a row and a column: the negative score. */
  readonly cost: (row: number, column: number) => number;
  readonly rowPotential: Float64Array;
  readonly columnPotential: Float64Array;
  /** Row of each column, 0 if it is free; column 0 holds the row being placed. */
  readonly rowOf: Uint32Array;
}

/**
 * Finds the assignment of columns to rows with the largest sum, by the Hungarian method with potentials, O(n³).
 *
 * @param score - `[n, n]` row by row, finite
 * @returns the column of each row, `[n]`
 * @see Kuhn (1955), doi:10.1002/nav.3800020109; Jonker and Volgenant (1987), doi:10.1007/BF02278710
 */
export function bestAssignment(score: Float64Array, n: number): Uint32Array {
  const matching: Matching = {
    n,
    cost: (row, column) => -score[(row - 1) * n + column - 1],
    rowPotential: new Float64Array(n + 1),
    columnPotential: new Float64Array(n + 1),
    rowOf: new Uint32Array(n + 1),
  };
  const path = {
    least: new Float64Array(n + 1),
    cameFrom: new Uint32Array(n + 1),
    visited: new Uint8Array(n + 1),
  };
  for (let row = 1; row <= n; row++) {
    matching.rowOf[0] = row;
    const free = shortestPath(matching, path);
    augment(matching, path, free);
  }
  const columns = new Uint32Array(n);
  for (let j = 1; j <= n; j++) columns[matching.rowOf[j] - 1] = j - 1;
  return columns;
}

/** The search for a shortest augmenting path. */
interface PathSearch {
  /** Least reduced cost found on the way to each column. */
  readonly least: Float64Array;
  /** The previous column on the path to each column. */
  readonly cameFrom: Uint32Array;
  readonly visited: Uint8Array;
}

/** Finds the shortest augmenting path from the row in column 0; returns the free column where it ends. */
function shortestPath(matching: Matching, path: PathSearch): number {
  path.least.fill(Infinity);
  path.visited.fill(0);
  let column = 0;
  do {
    path.visited[column] = 1;
    const nearest = nearestColumn(matching, path, column);
    shiftPotentials(matching, path, path.least[nearest]);
    column = nearest;
  } while (matching.rowOf[column] !== 0);
  return column;
}

/** Updates the paths with those through `column`, and returns the nearest column that is not visited. */
function nearestColumn(matching: Matching, { least, cameFrom, visited }: PathSearch, column: number): number {
  const { n, cost, rowPotential, columnPotential, rowOf } = matching;
  const row = rowOf[column];
  let nearest = 0;
  let step = Infinity;
  for (let j = 1; j <= n; j++) {
    if (visited[j] === 1) continue;
    const reduced = cost(row, j) - rowPotential[row] - columnPotential[j];
    if (reduced < least[j]) {
      least[j] = reduced;
      cameFrom[j] = column;
    }
    if (least[j] < step) {
      step = least[j];
      nearest = j;
    }
  }
  return nearest;
}

/** Shifts the potentials: the edge to the nearest column gets reduced cost 0. */
function shiftPotentials(matching: Matching, { least, visited }: PathSearch, step: number): void {
  const { n, rowPotential, columnPotential, rowOf } = matching;
  for (let j = 0; j <= n; j++) {
    if (visited[j] === 1) {
      rowPotential[rowOf[j]] += step;
      columnPotential[j] -= step;
    } else {
      least[j] -= step;
    }
  }
}

/** Moves each row on the path to the next column, up to the free one. */
function augment({ rowOf }: Matching, { cameFrom }: PathSearch, free: number): void {
  for (let column = free; column !== 0; column = cameFrom[column]) rowOf[column] = rowOf[cameFrom[column]];
}
