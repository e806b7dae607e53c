/**
 * Tries Stryker's mutants of some files without Stryker's switches, which slow down hot loops.
 *
 *     node scripts/mutate.js src/core/solve.ts --tests test/core
 *
 * Each mutant is written into its file as Vite loads it, and the tests run until one fails. Of a generated file of kernels in
 * WebAssembly, instructions are replaced. Results go to out/mutation/quick.jsonl, one line a mutant; a mutant known there is
 * tried again only with `--again`.
 */
import { fork } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Instrumenter } from '@stryker-mutator/instrumenter';
import { parseAst } from 'rolldown/parseAst';
import { mutantsOfKernels } from './mutate-kernels.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tests: { type: 'string', default: 'test/core,test/solvers' },
    out: { type: 'string', default: 'out/mutation/quick.jsonl' },
    share: { type: 'string', default: '1' },
    again: { type: 'boolean', default: false },
  },
});

/** @typedef {{ file: string, id: string, from: number, to: number, replacement: string, mutator: string }} Mutant */

const silent = { debug() {}, info() {}, warn() {}, isDebugEnabled: () => false };

/** @param {string} file @returns {Promise<Mutant[]>} */
async function mutantsOf(file) {
  const content = readFileSync(file, 'utf8');
  const ofKernels = await mutantsOfKernels(file, content);
  if (ofKernels !== null) return ofKernels;
  const starts = [0];
  for (let i = 0; i < content.length; i++) if (content[i] === '\n') starts.push(i + 1);
  const bodies = functionsOf(content);
  // @ts-expect-error: of the logger and the options, these suffice
  const instrumenter = new Instrumenter(silent);
  const { mutants } = await instrumenter.instrument([{ name: file, content, mutate: true }], {
    plugins: null,
    excludedMutations: [],
    ignorers: [],
  });
  return mutants.flatMap(({ location: { start, end }, replacement, mutatorName }) => {
    const [from, to] = [start, end].map(({ line, column }) => starts[line] + column);
    // What runs while a module loads is left out, as in stryker.config.js.
    if (!bodies.some((body) => body.from <= from && to <= body.to)) return [];
    const was = content.slice(from, to);
    return [
      {
        file,
        id: `${file}:${start.line + 1}:${start.column} ${was} → ${replacement}`,
        from,
        to,
        replacement,
        mutator: mutatorName,
      },
    ];
  });
}

/** Returns the extents of the functions, parameters included. @param {string} content */
function functionsOf(content) {
  /** @type {{ from: number, to: number }[]} */
  const found = [];
  /** @param {any} node */
  const visit = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (/Function/.test(node.type ?? '') && node.body) found.push({ from: node.start, to: node.end });
    for (const value of Object.values(node)) visit(value);
  };
  visit(parseAst(content, { lang: 'ts' }));
  return found;
}

/** A child that judges mutants, replaced when one of them does not come to an end. */
function startWorker() {
  const child = fork('scripts/mutate-worker.js', {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, NODE_ENV: 'test', VITEST: '1', MUTATING: '1' },
    execArgv: ['--max-old-space-size=2000'],
  });
  const next = () =>
    new Promise((done) => {
      const end = (/** @type {unknown} */ answer) => {
        child.off('message', end);
        child.off('exit', end);
        done(typeof answer === 'object' ? answer : null);
      };
      child.on('message', end);
      child.on('exit', end);
    });
  return { child, next, ready: next() };
}

let worker = startWorker();
/** @type {string[]} */
let tests = (await worker.ready).ready;
const wanted = values.tests.split(',').map((path) => resolve(path));
tests = tests.filter((path) => wanted.some((start) => path.startsWith(start)));

/** @param {{ file: string, code: string, tests: string[] }} mutant @param {number} limit in ms */
async function judge(mutant, limit) {
  const answer = worker.next();
  worker.child.send(mutant);
  let timer;
  const late = new Promise((done) => (timer = setTimeout(() => done('late'), limit)));
  const result = await Promise.race([answer, late]);
  clearTimeout(timer);
  if (result !== 'late' && result !== null) return result;
  worker.child.kill('SIGKILL');
  worker = startWorker();
  await worker.ready;
  return { status: result === null ? 'crashed' : 'timeout', by: null, times: [] };
}

mkdirSync('out/mutation', { recursive: true });
const known = new Set(
  existsSync(values.out) && !values.again
    ? readFileSync(values.out, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).id)
    : [],
);
for (const file of positionals) {
  const content = readFileSync(file, 'utf8');
  const path = resolve(file);
  let began = performance.now();
  const unchanged = await judge({ file: path, code: content, tests }, 600_000);
  if (unchanged.status !== 'survived') throw new Error(`${file}: ${unchanged.by} fails without a mutant`);
  const whole = performance.now() - began;
  const seconds = new Map(unchanged.times);
  // Quick tests first, and first of all those that have noticed most.
  const hits = new Map(tests.map((test) => [test, test.includes(file.replace(/^src\/|\.ts$/g, '')) ? 3 : 0]));
  /** @param {string} test */
  const worth = (test) => (1 + (hits.get(test) ?? 0)) / (20 + (seconds.get(test) ?? 0));
  const mutants = (await mutantsOf(file)).filter((_, i) => i % Number(values.share) === 0);
  let killed = 0;
  let tried = 0;
  for (const { from, to, replacement, ...mutant } of mutants) {
    if (known.has(mutant.id)) continue;
    tests.sort((a, b) => worth(b) - worth(a));
    const code = content.slice(0, from) + replacement + content.slice(to);
    began = performance.now();
    const { status, by } = await judge({ file: path, code, tests }, 2500 + 3 * whole);
    const ms = Math.round(performance.now() - began);
    if (by !== null) hits.set(by, (hits.get(by) ?? 0) + 1);
    tried++;
    if (status !== 'survived') killed++;
    const line = { ...mutant, status, by: by && relative('.', by), ms };
    appendFileSync(values.out, JSON.stringify(line) + '\n');
  }
  console.log(`${file}: ${killed} of ${tried} killed, all tests ${Math.round(whole)} ms`);
}
worker.child.kill();
