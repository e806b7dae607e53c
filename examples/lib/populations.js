/**
 * Pelts that the Hudson's Bay Company bought, in thousands: they follow the numbers of animals.
 *
 * @see Carpenter (2018), Predator-prey population dynamics: the Lotka-Volterra model in Stan, which has the same table
 */
export const pelts = {
  first: 1900,
  hares: [
    30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1, 40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6,
    16.2, 24.7,
  ],
  lynxes: [
    4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1,
    8.6,
  ],
};

/**
 * Rates per year, and the animals at the beginning, in thousands.
 *
 * @typedef {{ birth: number, hunting: number, death: number, growth: number, hares: number, lynxes: number }} Rates
 */

const STEPS_PER_YEAR = 20;

/**
 * The point that lies `dt` ahead along a slope.
 *
 * @param {readonly number[]} from
 * @param {readonly number[]} slope
 * @param {number} dt
 */
const ahead = (from, slope, dt) => from.map((value, i) => value + dt * slope[i]);

/**
 * Solves hares′ = (birth − hunting·lynxes)·hares, lynxes′ = (growth·hares − death)·lynxes, for the logarithms of both.
 *
 * @param {Rates} rates
 * @param {number} years - from the beginning on
 * @returns {(year: number) => readonly [hares: number, lynxes: number]} logarithms of the numbers
 */
export function solve({ birth, hunting, death, growth, hares, lynxes }, years) {
  /** @param {readonly number[]} logs */
  const slope = ([u, v]) => [birth - hunting * Math.exp(v), growth * Math.exp(u) - death];
  const h = 1 / STEPS_PER_YEAR;
  const states = [[Math.log(hares), Math.log(lynxes)]];
  for (let step = 0; step < years * STEPS_PER_YEAR; step++) {
    // The classical method of Runge and Kutta.
    const at = states[step];
    const k1 = slope(at);
    const k2 = slope(ahead(at, k1, h / 2));
    const k3 = slope(ahead(at, k2, h / 2));
    const k4 = slope(ahead(at, k3, h));
    states.push(at.map((value, i) => value + (h / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i])));
  }
  return (year) => {
    // Between two steps, the cubic with their values and slopes.
    const k = Math.min(states.length - 2, Math.max(0, Math.floor(year / h)));
    const s = year / h - k;
    const [a, b] = [states[k], states[k + 1]];
    const [da, db] = [slope(a), slope(b)];
    const at = (/** @type {number} */ i) =>
      (1 + 2 * s) * (1 - s) ** 2 * a[i] +
      s * (1 - s) ** 2 * h * da[i] +
      s * s * (3 - 2 * s) * b[i] +
      s * s * (s - 1) * h * db[i];
    return [at(0), at(1)];
  };
}

/** Values to be fitted: the logarithms of both, since errors are relative; each at [year from the beginning, 0 or 1]. */
export const observations = {
  points: [pelts.hares, pelts.lynxes].flatMap((list, animal) => list.map((_, year) => [year, animal])),
  logs: [...pelts.hares, ...pelts.lynxes].map(Math.log),
};

/**
 * The model for `curveFit`, for all points at once.
 *
 * @param {readonly number[][]} points - [year, animal] each
 * @param {Rates} rates
 */
export function logsAt(points, rates) {
  const solution = solve(rates, Math.ceil(Math.max(...points.map(([year]) => year))) || 1);
  return points.map(([year, animal]) => solution(year)[animal]);
}

/** A start by eye: periods of ten years, and the first counts. @type {Rates} */
export const start = { birth: 0.6, hunting: 0.03, death: 0.6, growth: 0.02, hares: 30, lynxes: 4 };

/** Posterior means and standard deviations of the rates, by Carpenter (2018), with weak priors. */
export const published = {
  birth: [0.55, 0.06],
  hunting: [0.028, 0.004],
  death: [0.8, 0.09],
  growth: [0.024, 0.004],
};
