// Costs of solvers by the number n of unknowns: the protocol alone; time and memory of L-BFGS from 1e2 to 1e7; and the n
// from which L-BFGS is faster than BFGS, which `auto()` is based on.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bfgs, evaluate, lbfgs, minimize, ssbroyden } from 'quasi-newton';
import { median, printTable } from '../examples/lib/report.js';
import { updateBandwidth } from './lib/bandwidth.js';
import { micro } from './lib/micro.js';
import { quadratic, secondsBeyondF } from './lib/quadratic.js';
import { glorot, tanhNetwork } from './problems/tanhNetwork.js';

export const title = 'Cost against the number of unknowns';

/** Prints the tables. */
export function run() {
  protocol();
  size();
  dense();
  crossover();
}

/** A solver that only asks one question per iteration measures the cost of questions and drivers. */
function protocol() {
  const n = 46;
  const iterations = 20_000;
  /** @type {import('quasi-newton').Solver} */
  const asking = {
    name: 'asking',
    descends: false,
    describe: () => 'asking',
    init: () => ({ x: new Float64Array(n), gradient: new Float64Array(n), f: 0 }),
    *step(state) {
      state.f = yield evaluate(state.x, state.gradient);
      return { kind: 'accepted', alpha: 1, moved: 1 };
    },
  };
  /** @type {import('quasi-newton').Problem} */
  const problem = {
    p0: new Float64Array(n),
    fg(_, gradient) {
      gradient?.fill(1);
      return 1;
    },
  };
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now();
    minimize(problem, asking, { maxIterations: iterations });
    return ((performance.now() - start) / iterations) * 1000;
  });
  const least = Math.min(...times).toFixed(2);
  console.log(
    `Protocol, driver and convergence tests, n = ${n}: ${least} µs per evaluation at least, ${median(times).toFixed(2)} in the median.\n`,
  );
}

/** Runs each n in a separate process, to measure its peak memory. */
function size() {
  const script = fileURLToPath(new URL('lib/onePeak.js', import.meta.url));
  const rows = [];
  for (const n of [1e2, 1e3, 1e4, 1e5, 1e6, 1e7]) {
    for (const storage of ['float64', 'float32']) {
      const printed = execFileSync(process.execPath, [script, `${n}`, storage], { encoding: 'utf8' });
      const { least, middle, peak, before, f } = JSON.parse(printed);
      const numbers = (peak - before) / (8 * n);
      rows.push([
        n.toExponential(0),
        storage,
        micro(least),
        micro(middle),
        ((least * 1e9) / n).toFixed(1),
        `${((peak - before) / 1e6).toFixed(0)} MB`,
        n >= 1e5 ? numbers.toFixed(1) : '',
        f.toPrecision(6),
      ]);
    }
  }
  console.log('L-BFGS, m = 10: per iteration beyond f, and memory beyond that of an idle process');
  const headings = [
    'n',
    'storage',
    'least µs',
    'median µs',
    'ns per unknown',
    'peak',
    'float64s per unknown',
  ];
  printTable([...headings, 'f after 25 iterations'], rows);
}

/**
 * Compares the dense methods with their bound, a pass that reads and overwrites half of a matrix: at the start of a run, and
 * after so many iterations that H is a triangle.
 */
function dense() {
  const rows = [];
  for (const n of [46, 200, 500, 1000, 2000, 3000]) {
    const solvers = [bfgs(), ssbroyden()];
    const halfMatrix = 4 * n * n;
    const bandwidth = updateBandwidth(halfMatrix);
    const times = solvers.map(() => ({
      early: /** @type {number[]} */ ([]),
      late: /** @type {number[]} */ ([]),
    }));
    const limited = [];
    const passes = [];
    for (const solver of [...solvers, lbfgs()]) secondsBeyondF(quadratic(n), solver, 60);
    const written = n < 500 ? 60 : Math.ceil(n / 3) + 10;
    // Alternating, because the speed of the machine varies.
    for (let turn = 0; turn < (n > 1000 ? 2 : 5); turn++) {
      passes.push(...bandwidth.measure().map((rate) => halfMatrix / rate));
      for (const [k, solver] of solvers.entries()) {
        const seconds = secondsBeyondF(quadratic(n), solver, n < 500 ? 60 : written + 30);
        times[k].early.push(...seconds.slice(20, 60));
        times[k].late.push(...seconds.slice(written));
      }
      limited.push(...secondsBeyondF(quadratic(n), lbfgs(), 60).slice(20));
    }
    const pass = Math.min(...passes);
    const cells = times.flatMap(({ early, late }) =>
      [early, late].flatMap((all) => {
        const least = Math.min(...all);
        return all.length > 0 ? [micro(least), (least / pass).toFixed(1)] : ['', ''];
      }),
    );
    rows.push([`${n}`, micro(pass), ...cells, micro(Math.min(...limited))]);
  }
  console.log(
    '\nLeast microseconds per iteration beyond f, and how many times those of a pass that reads and overwrites half of a\nmatrix: in iterations 20 to 60, and from n/3 on',
  );
  printTable(
    [
      'n',
      'pass',
      ...['bfgs', 'ssbroyden'].flatMap((name) => [name, 'passes', 'from n/3', 'passes']),
      'lbfgs, m = 50',
    ],
    rows,
  );
}

/** Measures how much earlier BFGS reaches the loss that L-BFGS reaches in 400 evaluations, on 1-h-h-1 networks. */
function crossover() {
  const seeds = [1, 2, 3, 4, 5];
  const rows = [];
  for (const points of [50, 200, 500]) {
    const inputs = Float64Array.from({ length: points }, (_, i) => (2 * i) / (points - 1) - 1);
    const targets = inputs.map((x) => Math.sin(6 * x) * Math.exp(-x));
    for (const hidden of [5, 10, 16, 21, 25, 30, 36, 42, 52]) {
      const widths = [1, hidden, hidden, 1];
      const { n, fg } = tanhNetwork(widths, inputs, targets);
      const ratios = seeds.map((seed) => {
        const problem = { p0: glorot(widths, seed), fg };
        const options = { maxEvaluations: 400, gtol: 0, storeTrace: true };
        const slow = minimize(problem, lbfgs(), { ...options, maxIterations: 400 });
        const quick = minimize(problem, bfgs(), { ...options, maxIterations: 400 });
        const there = quick.trace.find(({ f }) => f <= slow.f) ?? quick.trace[quick.trace.length - 1];
        return {
          evaluations: slow.evaluations.f / there.evaluations,
          time: slow.elapsed / there.elapsed,
          reached: there.f <= slow.f,
        };
      });
      rows.push([
        `${n}`,
        `${points}`,
        `${ratios.filter(({ reached }) => reached).length} of ${seeds.length}`,
        median(ratios.map(({ evaluations }) => evaluations)).toFixed(2),
        median(ratios.map(({ time }) => time)).toFixed(2),
      ]);
    }
  }
  console.log(
    '\nBFGS until it has the loss of L-BFGS (m = 50) after 400 evaluations: by what factor\nsooner, in evaluations and in time; medians over seeds, and in how many of them it got there',
  );
  printTable(['n', 'points', 'reached', 'evaluations', 'time'], rows);
}
