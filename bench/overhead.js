// Time of an L-BFGS iteration beyond the evaluations of f, compared with the time to read its pairs twice at the bandwidth
// measured in the same rounds, and with libLBFGS, SciPy and torch if they are installed (Debian: liblbfgs-dev,
// python3-scipy, python3-torch). All minimize the same quadratic with m = 10; iterations before the memory is full are
// not counted. The candidates alternate, so that load on the machine affects all of them equally.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lbfgs } from 'quasi-newton';
import { median, printTable } from '../examples/lib/report.js';
import { readBandwidth } from './lib/bandwidth.js';
import { pythonWith } from './lib/python.js';
import { micro } from './lib/micro.js';
import { quadratic, secondsBeyondF } from './lib/quadratic.js';

export const title = 'L-BFGS per iteration beyond f';

const memory = 10;
const iterations = 40;
/** Iterations before the memory is full, and a few more. */
const warmUp = 15;
const sizes = [
  { n: 1e3, rounds: 15 },
  { n: 1e4, rounds: 10 },
  { n: 1e5, rounds: 6 },
  { n: 1e6, rounds: 6 },
];

/** Prints the table; times are in microseconds, the least and the median over all rounds. */
export async function run() {
  const contestants = [...ours, ...peers()];
  // The others are compiled ahead of time.
  for (let round = 0; round < 200; round++) for (const { time } of ours) time(1e3);
  const rows = [];
  for (const { n, rounds } of sizes) {
    const bandwidth = readBandwidth(2 * memory * n * 8);
    /** @type {number[]} */
    const speeds = [];
    /** @type {Map<string, number[]>} */
    const times = new Map(contestants.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const { name, time } of contestants) {
        speeds.push(...bandwidth.measure());
        times.get(name)?.push(...time(n).slice(warmUp));
      }
    }
    const best = Math.max(...speeds);
    const bound = { least: (4 * memory * n * 8) / best, median: (4 * memory * n * 8) / median(speeds) };
    for (const [name, seconds] of times) {
      const least = Math.min(...seconds);
      const ratio = least / bound.least;
      rows.push([`${n}`, name, micro(least), micro(median(seconds)), ratio.toFixed(2)]);
    }
    rows.push([
      `${n}`,
      `bound at ${(best / 1e9).toFixed(0)} GB/s`,
      micro(bound.least),
      micro(bound.median),
      '1',
    ]);
  }
  printTable(['n', 'solver', 'least µs', 'median µs', '× bound'], rows);
}

/** @typedef {{ name: string, time: (n: number) => number[] }} Contestant */

/** @type {Contestant[]} */
const ours = [
  { name: 'lbfgs', time: (n) => secondsBeyondF(quadratic(n), lbfgs({ memory }), iterations) },
  {
    name: "lbfgs, storage 'float32'",
    time: (n) => secondsBeyondF(quadratic(n), lbfgs({ memory, storage: 'float32' }), iterations),
  },
];

const here = (/** @type {string} */ path) => fileURLToPath(new URL(`peers/${path}`, import.meta.url));

/** Those that are installed; says which are not. */
function peers() {
  const folder = mkdtempSync(join(tmpdir(), 'overhead-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'liblbfgs');
  /** @type {Contestant[]} */
  const found = [];
  if (succeeds('cc', ['-O3', '-o', program, here('liblbfgs.c'), '-llbfgs', '-lm'])) {
    found.push({ name: 'libLBFGS', time: (n) => timesOf(program, [`${n}`, `${iterations}`]) });
  }
  for (const [module, name] of [
    ['scipy', 'SciPy L-BFGS-B'],
    ['torch', 'torch LBFGS'],
  ]) {
    const python = pythonWith(module);
    if (python === undefined) {
      console.log(`Left out, as no Python has ${module}: ${name}\n`);
      continue;
    }
    const script = here('peers.py');
    found.push({ name, time: (n) => timesOf(python, [script, module, `${n}`, `${iterations}`]) });
  }
  return found;
}

/** @param {string} command @param {string[]} parameters */
function succeeds(command, parameters) {
  try {
    execFileSync(command, parameters, { stdio: 'ignore' });
    return true;
  } catch {
    console.log(
      `Left out, as it does not compile here: ${parameters.map((name) => basename(name)).find((name) => name.endsWith('.c'))}\n`,
    );
    return false;
  }
}

/** @param {string} command @param {string[]} parameters */
function timesOf(command, parameters) {
  const printed = execFileSync(command, parameters, {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  return printed.trim().split('\n').map(Number);
}
