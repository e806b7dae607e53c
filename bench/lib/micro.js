/** Microseconds as text, the fewer the finer. @param {number} seconds */
export const micro = (seconds) => (seconds * 1e6).toFixed(seconds < 1e-4 ? 1 : 0);
