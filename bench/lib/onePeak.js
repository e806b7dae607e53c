// Measures one size in a separate process, `node onePeak.js N STORAGE`: prints the time of an L-BFGS iteration and the
// peak memory, as JSON.
import { lbfgs, minimize } from 'quasi-newton';
import { median } from '../../examples/lib/report.js';
import { quadratic, secondsBeyondF } from './quadratic.js';

const n = Number(process.argv[2]);
const storage = process.argv[3] === 'float32' ? 'float32' : 'float64';
const problem = quadratic(n);
const solver = lbfgs({ memory: 10, storage });
// The first rounds are for the compiler.
for (let round = 0; round < 8; round++) secondsBeyondF(quadratic(300), solver, 30);
const peak = () => process.resourceUsage().maxRSS * 1024;
const before = peak();
const { f } = minimize(problem, solver, { maxIterations: 25, gtol: 0 });
const after = peak();
const rounds = Math.min(50, Math.max(1, Math.round(2e6 / n)));
const times = Array.from({ length: rounds }, () => secondsBeyondF(problem, solver, 25).slice(14)).flat();
console.log(JSON.stringify({ least: Math.min(...times), middle: median(times), before, peak: after, f }));
