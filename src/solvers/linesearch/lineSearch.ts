import { left, right, type Either } from '../../core/either.ts';

/** A question along the line φ(α) = f(x + αp): φ(α), and φ′(α) if `slope` is true. */
export interface AskPhi {
  readonly alpha: number;
  readonly slope: boolean;
}

/** φ(α) and φ′(α); `slope` is NaN where it was not asked for. */
export interface Phi {
  readonly value: number;
  readonly slope: number;
}

/** A search that ended without meeting its conditions. */
export interface LineSearchFailure {
  readonly kind: 'nonFinite' | 'maxEvaluations' | 'intervalTooSmall';
  /** The step with the lowest φ below φ(0) that was seen; 0 if there was none. */
  readonly alpha: number;
}

/** How a search ends: with a step that meets its conditions, or a failure. */
export type LineSearchResult = Either<LineSearchFailure, number>;

/**
 * A scalar search: asks for φ at steps α > 0, and ends with an acceptable one.
 *
 * It knows nothing of vectors, so that it can be tested on functions of one variable and used by any solver.
 */
export interface LineSearch {
  /** As reports name it: `'Moré–Thuente'`. */
  readonly name: string;
  /** Whether the steps it finds lower φ, to within its noise. */
  readonly descends: boolean;
  /**
   * Looks for a step length along one direction, asking for φ where it wants to know it.
   *
   * @param phi0 - φ(0) and φ′(0) < 0
   * @param alpha0 - the first step to try, > 0
   * @param slack - by how much φ may exceed φ(0) and still count as no higher: its noise, ≥ 0
   * @param alphaMax - the longest step allowed, such as the way to a bound
   */
  search(
    phi0: Phi,
    alpha0: number,
    slack: number,
    alphaMax: number,
  ): Generator<AskPhi, LineSearchResult, Phi>;
}

/** Ends a search with a step that meets its conditions. */
export const found = (alpha: number): LineSearchResult => right(alpha);

/** Ends a search without one; `alpha` is the best step seen, 0 if none lowered φ. */
export const notFound = (kind: LineSearchFailure['kind'], alpha: number): LineSearchResult =>
  left({ kind, alpha });

/**
 * Hager and Zhang's approximate Wolfe conditions: (2δ − 1)φ′(0) ≥ φ′(α) ≥ σφ′(0) and φ(α) ≤ φ(0) + slack.
 *
 * Near a minimum φ(α) − φ(0) drowns in rounding long before the slopes do; these conditions are the Wolfe
 * conditions of the parabola through the slopes.
 *
 * @see Hager & Zhang (2005), SIAM J. Optim. 16(1), eq. (4.1) and (4.2), doi:10.1137/030601880
 */
export function approximateWolfe(phi0: Phi, phi: Phi, slack: number, delta: number, sigma: number): boolean {
  return (
    (2 * delta - 1) * phi0.slope >= phi.slope &&
    phi.slope >= sigma * phi0.slope &&
    phi.value <= phi0.value + slack
  );
}

/**
 * φ(α) − φ(0), or the trapezoid α·(φ′(0) + φ′(α))/2 where that difference is within `slack`: there the values are
 * noise, and only the slopes tell.
 */
export function changeOf(phi0: Phi, alpha: number, phi: Phi, slack: number): number {
  const change = phi.value - phi0.value;
  return Math.abs(change) <= slack ? (alpha * (phi0.slope + phi.slope)) / 2 : change;
}

/** True if both numbers of φ are finite. */
export const isFinitePhi = ({ value, slope }: Phi): boolean =>
  Number.isFinite(value) && Number.isFinite(slope);
