/**
 * Golub and Kahan's bidiagonalization of A, grown step by step: AV = UB with orthonormal columns, B lower bidiagonal.
 * min ‖Ay − b‖² + λ‖y‖² over the span of V is a problem of the size of B, for every λ.
 *
 * @see Paige & Saunders (1982), LSQR, ACM Transactions on Mathematical Software 8(1), doi:10.1145/355984.355989
 */
export interface Bidiagonal {
  /** Columns of V, `[n]` each */
  readonly right: Float64Array[];
  /** Column k + 1 of U, `[m]`, for k columns of V */
  readonly left: Float64Array;
  /** α₁ … αₖ₊₁ on the diagonal of B, and β₁ … βₖ₊₁ below; β₁ = ‖b‖ */
  readonly alpha: number[];
  readonly beta: number[];
}

/** R of the damped B, upper bidiagonal, with its right-hand side: `RᵀR = BᵀB + λI`. */
export interface Damped {
  readonly diagonal: Float64Array;
  readonly above: Float64Array;
  /** Solution y, `[k]`, for the right-hand side β₁e₁ */
  readonly y: Float64Array;
}

/** Solves the damped problem over the present columns by Givens rotations, first those of λ, then those of B. */
export function solveBidiagonal({ right, alpha, beta }: Bidiagonal, lambda: number): Damped {
  const k = right.length;
  const [diagonal, above, y] = [new Float64Array(k), new Float64Array(k), new Float64Array(k)];
  const root = Math.sqrt(lambda);
  let [rho, phi] = [alpha[0], beta[0]];
  for (let i = 0; i < k; i++) {
    const damped = Math.hypot(rho, root);
    phi *= rho / damped;
    diagonal[i] = Math.hypot(damped, beta[i + 1]);
    const [cosine, sine] = [damped / diagonal[i], beta[i + 1] / diagonal[i]];
    y[i] = cosine * phi;
    phi *= sine;
    if (i + 1 === k) break;
    above[i] = sine * alpha[i + 1];
    rho = -cosine * alpha[i + 1];
  }
  backward(diagonal, above, y);
  return { diagonal, above, y };
}

/** `y ← R⁻¹y`. */
function backward(diagonal: Float64Array, above: Float64Array, y: Float64Array): void {
  for (let i = y.length - 1; i >= 0; i--) {
    const next = i + 1 < y.length ? above[i] * y[i + 1] : 0;
    y[i] = (y[i] - next) / diagonal[i];
  }
}

/** `y ← (RᵀR)⁻¹y`. */
export function solveNormal({ diagonal, above }: Damped, y: Float64Array): void {
  for (let i = 0; i < y.length; i++) {
    const before = i > 0 ? above[i - 1] * y[i - 1] : 0;
    y[i] = (y[i] - before) / diagonal[i];
  }
  backward(diagonal, above, y);
}

/** ‖By‖², the square of the norm of Ay. */
export function squareOfProduct({ alpha, beta }: Bidiagonal, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i <= y.length; i++) {
    const own = i < y.length ? alpha[i] * y[i] : 0;
    const below = i > 0 ? beta[i] * y[i - 1] : 0;
    sum += (own + below) ** 2;
  }
  return sum;
}
