/**
 * Number of elements of a vector processed at a time: few enough to stay in the cache, enough for the rows to
 * stream.
 */
export const TILE = 32768;

/** Returns the index at which the last tile of a vector starts. */
export const lastTile = ({ length }: Float64Array): number => Math.floor((length - 1) / TILE) * TILE;
