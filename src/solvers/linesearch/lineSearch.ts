/** Question along the line φ(α) = f(x + αp): asks for φ(α), and for φ′(α) if `slope` is true. */
export interface AskPhi {
  readonly alpha: number;
  readonly slope: boolean;
}

/** Answer: φ(α) and φ′(α); `slope` is NaN if it was not requested. */
export interface Phi {
  readonly value: number;
  readonly slope: number;
}

/** Reason why a search ended without meeting its conditions. */
export type LineSearchFailure = 'nonFinite' | 'maxEvaluations' | 'intervalTooSmall';

/** End of a search. */
export interface LineSearchResult {
  /** Step that meets the conditions; after a failure the one with the lowest φ below φ(0), or 0 if none was below. */
  readonly alpha: number;
  /** Present if no step met the conditions. */
  readonly failure?: LineSearchFailure;
}

/**
 * A scalar search: asks for φ at steps α > 0 and ends with an acceptable step.
 *
 * It does not handle vectors, so it can be tested on functions of one variable and used by any solver.
 */
export interface LineSearch {
  /** Name in reports: `'Moré–Thuente'`. */
  readonly name: string;
  /** True if the steps that it finds lower φ, to within the noise of φ. */
  readonly descends: boolean;
  /**
   * Searches for a step length along one direction.
   *
   * @param phi0 - φ(0) and φ′(0) < 0
   * @param alpha0 - the first step to try, > 0
   * @param slack - noise of φ, ≥ 0: a value that exceeds φ(0) by less does not count as higher
   * @param alphaMax - longest step allowed, such as the distance to a bound
   */
  search(
    phi0: Phi,
    alpha0: number,
    slack: number,
    alphaMax: number,
  ): Generator<AskPhi, LineSearchResult, Phi>;
}

/** Returns the end of a search that has found a step. */
export const found = (alpha: number): LineSearchResult => ({ alpha });

/** Returns the end of a search that has found none; `alpha` is the best step seen, 0 if none lowered φ. */
export const notFound = (failure: LineSearchFailure, alpha: number): LineSearchResult => ({ alpha, failure });

/**
 * Tests Hager and Zhang's approximate Wolfe conditions: (2δ − 1)φ′(0) ≥ φ′(α) ≥ σφ′(0) and φ(α) ≤ φ(0) + slack.
 *
 * Near a minimum, φ(α) − φ(0) is lost in rounding long before the slopes are; these conditions are the Wolfe
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
 * Returns φ(α) − φ(0), or the trapezoid α·(φ′(0) + φ′(α))/2 if that difference is within `slack`: the values
 * are then noise, and only the slopes carry information.
 */
export function changeOf(phi0: Phi, alpha: number, phi: Phi, slack: number): number {
  const change = phi.value - phi0.value;
  return Math.abs(change) <= slack ? (alpha * (phi0.slope + phi.slope)) / 2 : change;
}

/** True if both numbers of φ are finite. */
export const isFinitePhi = ({ value, slope }: Phi): boolean =>
  Number.isFinite(value) && Number.isFinite(slope);
