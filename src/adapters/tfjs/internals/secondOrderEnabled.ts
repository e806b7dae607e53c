/** Separate from the code of `enableSecondOrder`, which only its callers need to load. */
let enabled = false;

/** Returns true once `enableSecondOrder` has been called. */
export const secondOrderEnabled = (): boolean => enabled;

export function setSecondOrderEnabled(): void {
  enabled = true;
}
