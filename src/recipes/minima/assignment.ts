/**
 * Finds the assignment of columns to rows with the largest sum, by the Hungarian method with potentials, O(n³).
 *
 * @param score - `[n, n]` row by row, finite
 * @returns the column of each row, `[n]`
 * @see Kuhn (1955), doi:10.1002/nav.3800020109; Jonker and Volgenant (1987), doi:10.1007/BF02278710
 */
export function bestAssignment(score: Float64Array, n: number): Uint32Array {
  // Rows and columns count from 1; column 0 holds the row that is being placed.
  const rowPotential = new Float64Array(n + 1);
  const columnPotential = new Float64Array(n + 1);
  const rowOf = new Uint32Array(n + 1);
  const cameFrom = new Uint32Array(n + 1);
  const least = new Float64Array(n + 1);
  const visited = new Uint8Array(n + 1);
  for (let row = 1; row <= n; row++) {
    rowOf[0] = row;
    least.fill(Infinity);
    visited.fill(0);
    let column = 0;
    // Shortest augmenting path from this row to a free column; costs are negative scores.
    do {
      visited[column] = 1;
      const i = rowOf[column];
      let nearest = 0;
      let step = Infinity;
      for (let j = 1; j <= n; j++) {
        if (visited[j] === 1) continue;
        const reduced = -score[(i - 1) * n + j - 1] - rowPotential[i] - columnPotential[j];
        if (reduced < least[j]) {
          least[j] = reduced;
          cameFrom[j] = column;
        }
        if (least[j] < step) {
          step = least[j];
          nearest = j;
        }
      }
      for (let j = 0; j <= n; j++) {
        if (visited[j] === 1) {
          rowPotential[rowOf[j]] += step;
          columnPotential[j] -= step;
        } else {
          least[j] -= step;
        }
      }
      column = nearest;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      rowOf[column] = rowOf[cameFrom[column]];
      column = cameFrom[column];
    }
  }
  const columns = new Uint32Array(n);
  for (let j = 1; j <= n; j++) columns[rowOf[j] - 1] = j - 1;
  return columns;
}
