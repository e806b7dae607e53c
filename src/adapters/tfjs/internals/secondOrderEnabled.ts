/** Kept apart from what `enableSecondOrder` brings, which only those who call it need. */
let enabled = false;

/** True once `enableSecondOrder` has been called. */
export const secondOrderEnabled = (): boolean => enabled;

export function setSecondOrderEnabled(): void {
  enabled = true;
}
