/**
 * `quasi-newton/core`: `minimize` without a default solver, for pages in which every kilobyte counts. Everything
 * else comes from `quasi-newton`.
 *
 * @module quasi-newton/core
 */

export { minimize, minimizeAsync } from './minimize.ts';
