// `npm run bench` runs all benchmarks, `npm run bench -- training onnx` some of them. Each is a module in this folder that
// exports `title` and `run()`. Its output is printed and written to bench/results/NAME.md, below the date, the machine and
// the versions. Figures go to bench/results/.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const all = readdirSync(here('.'))
  .filter((name) => name.endsWith('.js') && name !== 'run.js')
  .map((name) => name.slice(0, -'.js'.length));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  throw new RangeError(`there is no benchmark ${unknown.join(', ')}; there are ${all.join(', ')}.`);
}

mkdirSync(here('results'), { recursive: true });
for (const name of wanted.length > 0 ? wanted : all) {
  const { title, run } = await import(`./${name}.js`);
  console.log(`\n═══ ${title}\n`);
  const start = performance.now();
  const printed = await recording(run);
  const seconds = (performance.now() - start) / 1000;
  const head = `# ${title}\n\n\`npm run bench -- ${name}\`, ${surroundings()}; ${seconds.toFixed(0)} s.`;
  writeFileSync(here(`results/${name}.md`), `${head}\n\n\`\`\`text\n${printed.trim()}\n\`\`\`\n`);
}

/**
 * Runs `task` and returns its output, which is also printed.
 *
 * @param {() => unknown} task
 */
async function recording(task) {
  const { log } = console;
  let printed = '';
  console.log = (...values) => {
    printed += `${values.join(' ')}\n`;
    log(...values);
  };
  try {
    await task();
  } finally {
    console.log = log;
  }
  return printed;
}

/** Returns date, machine and versions in one line. */
function surroundings() {
  const { devDependencies } = JSON.parse(readFileSync(here('../package.json'), 'utf8'));
  const versions = ['@tensorflow/tfjs', 'onnxruntime-node'].map((name) => `${name} ${devDependencies[name]}`);
  const machine = `${availableParallelism()} cores (${cpus()[0].model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, load ${loadavg()[1].toFixed(1)}`;
  const date = new Date().toISOString().slice(0, 10);
  return [date, `Node ${process.version}`, ...versions, machine].join(', ');
}
