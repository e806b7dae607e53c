/**
 * Functions of any dimension whose minimum is 0, for sizes at which memory and work must be linear in n. Most
 * come from the collections of Moré, Garbow & Hillstrom (1981), Toint (1983), CUTE (Bongartz et al., 1995)
 * and Andrei (2008), with their standard starts.
 *
 * @typedef {(x: Float64Array, g: Float64Array | null) => number} Objective
 * @typedef {{ readonly name: string, readonly start: (i: number, n: number) => number, readonly fg: Objective, readonly largest?: number }} LargeFunction
 */

/** @type {LargeFunction} */
export const extendedRosenbrock = {
  name: 'extended Rosenbrock',
  start: (i) => (i % 2 === 0 ? -1.2 : 1),
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i += 2) {
      const a = x[i + 1] - x[i] * x[i];
      const b = 1 - x[i];
      f += 100 * a * a + b * b;
      if (!g) continue;
      g[i] = -400 * a * x[i] - 2 * b;
      g[i + 1] = 200 * a;
    }
    return f;
  },
};

/** @type {LargeFunction} */
export const extendedPowell = {
  name: 'extended Powell',
  start: (i) => [3, -1, 0, 1][i % 4],
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i += 4) {
      const a = x[i] + 10 * x[i + 1];
      const b = x[i + 2] - x[i + 3];
      const c = x[i + 1] - 2 * x[i + 2];
      const d = x[i] - x[i + 3];
      f += a * a + 5 * b * b + c ** 4 + 10 * d ** 4;
      if (!g) continue;
      g[i] = 2 * a + 40 * d ** 3;
      g[i + 1] = 20 * a + 4 * c ** 3;
      g[i + 2] = 10 * b - 8 * c ** 3;
      g[i + 3] = -10 * b - 40 * d ** 3;
    }
    return f;
  },
};

/** @type {LargeFunction} */
export const broydenTridiagonal = {
  name: 'Broyden tridiagonal',
  start: () => -1,
  fg(x, g) {
    const n = x.length;
    let f = 0;
    g?.fill(0);
    for (let i = 0; i < n; i++) {
      const r = (3 - 2 * x[i]) * x[i] - (i > 0 ? x[i - 1] : 0) - 2 * (i < n - 1 ? x[i + 1] : 0) + 1;
      f += r * r;
      if (!g) continue;
      g[i] += 2 * r * (3 - 4 * x[i]);
      if (i > 0) g[i - 1] -= 2 * r;
      if (i < n - 1) g[i + 1] -= 4 * r;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const broydenBanded = {
  name: 'Broyden banded',
  start: () => -1,
  fg(x, g) {
    const n = x.length;
    let f = 0;
    g?.fill(0);
    for (let i = 0; i < n; i++) {
      let r = x[i] * (2 + 5 * x[i] * x[i]) + 1;
      const [from, to] = [Math.max(0, i - 5), Math.min(n - 1, i + 1)];
      for (let j = from; j <= to; j++) if (j !== i) r -= x[j] * (1 + x[j]);
      f += r * r;
      if (!g) continue;
      g[i] += 2 * r * (2 + 15 * x[i] * x[i]);
      for (let j = from; j <= to; j++) if (j !== i) g[j] -= 2 * r * (1 + 2 * x[j]);
    }
    return f;
  },
};

/** @type {LargeFunction} */
const chainedRosenbrock = {
  name: 'chained Rosenbrock, 4x',
  // A start near the solution, so that the solver follows one valley, not n of them.
  start: (i) => (i % 2 === 0 ? 0.8 : 0.9),
  fg(x, g) {
    let f = 0;
    g?.fill(0);
    for (let i = 1; i < x.length; i++) {
      const a = x[i] - x[i - 1] * x[i - 1];
      const b = 1 - x[i - 1];
      f += 4 * a * a + b * b;
      if (!g) continue;
      g[i] += 8 * a;
      g[i - 1] -= 16 * a * x[i - 1] + 2 * b;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const extendedWood = {
  name: 'extended Wood',
  start: (i) => (i % 2 === 0 ? -3 : -1),
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i += 4) {
      const [p, q, r, s] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
      const a = q - p * p;
      const b = s - r * r;
      const c = q + s - 2;
      const d = q - s;
      f += 100 * a * a + (1 - p) ** 2 + 90 * b * b + (1 - r) ** 2 + 10 * c * c + 0.1 * d * d;
      if (!g) continue;
      g[i] = -400 * a * p - 2 * (1 - p);
      g[i + 1] = 200 * a + 20 * c + 0.2 * d;
      g[i + 2] = -360 * b * r - 2 * (1 - r);
      g[i + 3] = 180 * b + 20 * c - 0.2 * d;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const extendedBeale = {
  name: 'extended Beale',
  start: (i) => (i % 2 === 0 ? 1 : 0.8),
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i += 2) {
      const [p, q] = [x[i], x[i + 1]];
      const a = 1.5 - p * (1 - q);
      const b = 2.25 - p * (1 - q * q);
      const c = 2.625 - p * (1 - q ** 3);
      f += a * a + b * b + c * c;
      if (!g) continue;
      g[i] = -2 * (a * (1 - q) + b * (1 - q * q) + c * (1 - q ** 3));
      g[i + 1] = 2 * p * (a + 2 * b * q + 3 * c * q * q);
    }
    return f;
  },
};

/** @type {LargeFunction} */
const extendedTridiagonal = {
  name: 'extended tridiagonal 1',
  start: () => 2,
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i += 2) {
      const a = x[i] + x[i + 1] - 3;
      const b = x[i] - x[i + 1] + 1;
      f += a * a + b ** 4;
      if (!g) continue;
      g[i] = 2 * a + 4 * b ** 3;
      g[i + 1] = 2 * a - 4 * b ** 3;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const liarwhd = {
  name: 'LIARWHD',
  start: () => 4,
  fg(x, g) {
    let f = 0;
    let first = 0;
    for (let i = 0; i < x.length; i++) {
      const a = x[i] * x[i] - x[0];
      const b = x[i] - 1;
      f += 4 * a * a + b * b;
      if (g) g[i] = 16 * a * x[i] + 2 * b;
      first -= 8 * a;
    }
    if (g) g[0] += first;
    return f;
  },
};

/** @type {LargeFunction} */
const arwhead = {
  name: 'ARWHEAD',
  start: () => 1,
  fg(x, g) {
    const last = x.length - 1;
    let f = 0;
    let end = 0;
    for (let i = 0; i < last; i++) {
      const a = x[i] * x[i] + x[last] * x[last];
      f += a * a - 4 * x[i] + 3;
      if (g) g[i] = 4 * a * x[i] - 4;
      end += 4 * a * x[last];
    }
    if (g) g[last] = end;
    return f;
  },
};

/** @type {LargeFunction} */
const tridia = {
  name: 'TRIDIA',
  largest: 1200,
  start: () => 1,
  fg(x, g) {
    const b = x[0] - 1;
    let f = b * b;
    if (g) {
      g.fill(0);
      g[0] = 2 * b;
    }
    for (let i = 1; i < x.length; i++) {
      const a = 2 * x[i] - x[i - 1];
      f += (i + 1) * a * a;
      if (!g) continue;
      g[i] += 4 * (i + 1) * a;
      g[i - 1] -= 2 * (i + 1) * a;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const quartic = {
  name: 'quartic',
  start: () => 2,
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i++) {
      const a = x[i] - 1;
      f += a ** 4 + 0.1 * a * a;
      if (g) g[i] = 4 * a ** 3 + 0.2 * a;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const illConditioned = {
  name: 'quadratic, condition 1e4',
  largest: 12_000,
  start: () => 1,
  fg(x, g) {
    const n = x.length;
    let f = 0;
    for (let i = 0; i < n; i++) {
      const weight = 10 ** ((4 * i) / (n - 1));
      f += (weight * x[i] * x[i]) / 2;
      if (g) g[i] = weight * x[i];
    }
    return f;
  },
};

/** @type {LargeFunction} */
const perturbedQuadratic = {
  name: 'perturbed quadratic',
  largest: 12_000,
  start: () => 0.5,
  fg(x, g) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i];
    let f = (sum * sum) / 100;
    for (let i = 0; i < x.length; i++) {
      f += (i + 1) * x[i] * x[i];
      if (g) g[i] = 2 * (i + 1) * x[i] + sum / 50;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const raydan = {
  name: 'Raydan 2',
  start: () => 1,
  fg(x, g) {
    let f = 0;
    for (let i = 0; i < x.length; i++) {
      const e = Math.exp(x[i]);
      // exp(x) − x, minus its minimum, 1.
      f += e - x[i] - 1;
      if (g) g[i] = e - 1;
    }
    return f;
  },
};

/** @type {LargeFunction} */
const dixonMaana = {
  name: 'DIXMAANA, less 1',
  start: () => 2,
  fg(x, g) {
    const n = x.length;
    const third = Math.floor(n / 3);
    let f = 0;
    g?.fill(0);
    for (let i = 0; i < n; i++) {
      f += x[i] * x[i];
      if (g) g[i] += 2 * x[i];
    }
    for (let i = 0; i < 2 * third; i++) {
      f += 0.125 * x[i] * x[i] * x[i + third] ** 4;
      if (!g) continue;
      g[i] += 0.25 * x[i] * x[i + third] ** 4;
      g[i + third] += 0.5 * x[i] * x[i] * x[i + third] ** 3;
    }
    for (let i = 0; i < third; i++) {
      f += 0.125 * x[i] * x[i + 2 * third];
      if (!g) continue;
      g[i] += 0.125 * x[i + 2 * third];
      g[i + 2 * third] += 0.125 * x[i];
    }
    return f;
  },
};

/** @type {readonly LargeFunction[]} */
const functions = [
  extendedRosenbrock,
  extendedPowell,
  broydenTridiagonal,
  broydenBanded,
  chainedRosenbrock,
  extendedWood,
  extendedBeale,
  extendedTridiagonal,
  liarwhd,
  arwhead,
  tridia,
  quartic,
  illConditioned,
  perturbedQuadratic,
  raydan,
  dixonMaana,
];

/**
 * A function of a given size.
 *
 * @param {LargeFunction} entry
 * @param {number} n
 */
export function largeProblem({ name, start, fg }, n) {
  const p0 = Float64Array.from({ length: n }, (_, i) => start(i, n));
  return { name: `${name} ${n}`, p0, fg };
}

/**
 * Returns all functions at the given sizes, multiples of 12, that can be solved in a few hundred evaluations.
 *
 * @param {readonly number[]} sizes
 */
export const largeProblems = (sizes) =>
  sizes.flatMap((n) =>
    functions.filter(({ largest = Infinity }) => n <= largest).map((entry) => largeProblem(entry, n)),
  );
