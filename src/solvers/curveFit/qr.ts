/** A = QRPᵀ of a matrix whose columns have been scaled to length 1. */
export interface PivotedQr {
  /** Lengths of the columns of A, `[n]`; 1 for a column of zeros */
  readonly norms: Float64Array;
  /** R above its diagonal and on it, the Householder vectors below, `[m, n]` row by row */
  readonly factors: Float64Array;
  readonly m: number;
  readonly n: number;
  /** Column of A at each position, `[n]` */
  readonly order: readonly number[];
  /** First element of each Householder vector, `[min(m, n)]` */
  readonly heads: Float64Array;
  /** Number of diagonal elements of R above the tolerance */
  readonly rank: number;
}

/**
 * Factors a matrix by Householder reflections, the column with the largest rest first.
 *
 * @param a - `[m, n]` row by row
 * @param tolerance - diagonal elements of R below this, for columns of length 1, count as 0
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., Algorithm 5.4.1
 */
export function pivotedQr(a: Float64Array, m: number, n: number, tolerance: number): PivotedQr {
  const norms = columnNorms(a, n);
  const factors = a.slice();
  for (let row = 0; row < a.length; row += n) for (let j = 0; j < n; j++) factors[row + j] /= norms[j];
  const order = Array.from({ length: n }, (_, j) => j);
  const steps = Math.min(m, n);
  const heads = new Float64Array(steps);
  let rank = 0;
  for (let k = 0; k < steps; k++) {
    const rest = (j: number): number => {
      let sum = 0;
      for (let i = k; i < m; i++) sum += factors[i * n + j] ** 2;
      return Math.sqrt(sum);
    };
    const rests = order.map((_, j) => (j < k ? -1 : rest(j)));
    const pivot = rests.indexOf(Math.max(...rests));
    if (!(rests[pivot] > tolerance)) break;
    swapColumns(factors, n, k, pivot);
    [order[k], order[pivot]] = [order[pivot], order[k]];
    const diagonal = -Math.sign(factors[k * n + k] || 1) * rests[pivot];
    heads[k] = factors[k * n + k] - diagonal;
    for (let j = k + 1; j < n; j++) {
      let sum = heads[k] * factors[k * n + j];
      for (let i = k + 1; i < m; i++) sum += factors[i * n + k] * factors[i * n + j];
      // The reflection I − vvᵀ/(−diagonal·head)
      const factor = sum / (diagonal * heads[k]);
      factors[k * n + j] += factor * heads[k];
      for (let i = k + 1; i < m; i++) factors[i * n + j] += factor * factors[i * n + k];
    }
    factors[k * n + k] = diagonal;
    rank++;
  }
  return { norms, factors, m, n, order, heads, rank };
}

/** Returns the lengths of the columns, `[n]`, whose squares may be beyond the numbers; 1 for a column of zeros. */
function columnNorms(a: Float64Array, n: number): Float64Array {
  const norms = new Float64Array(n);
  for (let row = 0; row < a.length; row += n) {
    for (let j = 0; j < n; j++) norms[j] = Math.hypot(norms[j], a[row + j]);
  }
  return norms.map((norm) => norm || 1);
}

function swapColumns(a: Float64Array, n: number, j: number, k: number): void {
  for (let row = 0; row < a.length; row += n) [a[row + j], a[row + k]] = [a[row + k], a[row + j]];
}

/**
 * Solves min ‖Ax − b‖ for the columns within the rank; the others stay 0.
 *
 * @returns x, `[n]`, and ‖QᵀB‖² over the rank: the decrease ‖b‖² − ‖Ax − b‖²
 */
export function solveByQr(qr: PivotedQr, b: Float64Array): { x: Float64Array; decrease: number } {
  const { norms, factors, m, n, order, heads, rank } = qr;
  const q = Float64Array.from(b);
  for (let k = 0; k < rank; k++) {
    let sum = heads[k] * q[k];
    for (let i = k + 1; i < m; i++) sum += factors[i * n + k] * q[i];
    const factor = sum / (factors[k * n + k] * heads[k]);
    q[k] += factor * heads[k];
    for (let i = k + 1; i < m; i++) q[i] += factor * factors[i * n + k];
  }
  let decrease = 0;
  for (let k = 0; k < rank; k++) decrease += q[k] * q[k];
  backSubstitute(qr, q);
  const x = new Float64Array(n);
  for (let k = 0; k < rank; k++) x[order[k]] = q[k] / norms[order[k]];
  return { x, decrease };
}

/** `q ← R₁₁⁻¹q` for the leading `[rank, rank]` of R. */
function backSubstitute({ factors, n, rank }: PivotedQr, q: Float64Array): void {
  for (let k = rank - 1; k >= 0; k--) {
    for (let l = k + 1; l < rank; l++) q[k] -= factors[k * n + l] * q[l];
    q[k] /= factors[k * n + k];
  }
}

/** Returns vectors u, `[n]` each, whose Σ u·uᵀ is the generalized inverse of AᵀA: the columns of R⁻¹, without scales. */
export function inverseFactor(qr: PivotedQr): Float64Array[] {
  const { norms, n, order, rank } = qr;
  return Array.from({ length: rank }, (_, k) => {
    const unit = new Float64Array(rank);
    unit[k] = 1;
    backSubstitute(qr, unit);
    const column = new Float64Array(n);
    unit.forEach((value, i) => (column[order[i]] = value / norms[order[i]]));
    return column;
  });
}

/** Returns the directions of x that do not change Ax, `[n]` each, in units of 1 / `norms`. */
export function nullSpace(qr: PivotedQr): Float64Array[] {
  const { factors, n, order, rank } = qr;
  return order.slice(rank).map((_, k) => {
    const q = new Float64Array(rank);
    for (let i = 0; i < rank; i++) q[i] = -factors[i * n + rank + k];
    backSubstitute(qr, q);
    const direction = new Float64Array(n);
    q.forEach((value, i) => (direction[order[i]] = value));
    direction[order[rank + k]] = 1;
    return direction;
  });
}
