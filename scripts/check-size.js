// Bundles what a user would import, minifies and gzips it, and holds it to a budget: that unused code is left
// out, that no backend comes along, and that nothing grows unnoticed. Run after `npm run build`.
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

/** Bytes in a kilobyte, as bundlers count. */
const kB = 1000;

/**
 * Budgets in kB, minified and gzipped, of what is loaded at once: parts that are imported when they are first needed have
 * chunks of their own. What `dependencies` and optional peers bring is not counted, but
 * `packages` must name it all.
 *
 * @type {{ what: string, code: string, budget: number, packages?: string[], without?: string[] }[]}
 */
const cases = [
  {
    what: 'core and L-BFGS',
    code: `export { minimize } from 'quasi-newton/core'; export { lbfgs } from 'quasi-newton';`,
    budget: 28.5,
    without: [
      'solvers/bfgs',
      'solvers/adam',
      'solvers/slbfgs',
      'solvers/linesearch/hagerZhang',
      'core/flatten',
    ],
  },
  {
    what: 'core and Adam',
    code: `export { minimize } from 'quasi-newton/core'; export { adam } from 'quasi-newton';`,
    budget: 20.5,
    without: ['core/kernels/simd', 'core/kernels/matrixBytes', 'solvers/lbfgs', 'solvers/linesearch'],
  },
  {
    what: 'minimize, any solver',
    code: `export { minimize } from 'quasi-newton';`,
    budget: 51.8,
    without: ['solvers/slbfgs', 'solvers/linesearch/hagerZhang', 'core/flatten'],
  },
  { what: 'quasi-newton', code: `export * from 'quasi-newton';`, budget: 84.7 },
  { what: 'nothing used', code: `import 'quasi-newton';`, budget: 0.1 },
  {
    what: 'tfjs: LBFGSOptimizer',
    code: `export { LBFGSOptimizer } from 'quasi-newton/tfjs';`,
    budget: 32.5,
    packages: ['@tensorflow/tfjs'],
    without: ['solvers/bfgs', 'adapters/onnx', 'recipes'],
  },
  {
    what: 'quasi-newton/tfjs',
    code: `export * from 'quasi-newton/tfjs';`,
    budget: 103.9,
    packages: ['@tensorflow/tfjs'],
    without: ['adapters/onnx', 'recipes'],
  },
  { what: 'quasi-newton/onnx', code: `export * from 'quasi-newton/onnx';`, budget: 124.6 },
  {
    what: 'quasi-newton/bullmq',
    code: `export * from 'quasi-newton/bullmq';`,
    budget: 8.9,
    packages: ['bullmq', 'ioredis'],
    without: ['solvers', 'recipes', 'adapters/tfjs', 'adapters/onnx'],
  },
  {
    what: 'landscape: contourf',
    code: `export { contourf } from 'quasi-newton/landscape';`,
    budget: 31.8,
    without: ['solvers', 'core/solve', 'recipes/curvature/boxSharpness', 'recipes/pool'],
  },
  { what: 'quasi-newton/landscape', code: `export * from 'quasi-newton/landscape';`, budget: 91.6 },
];

const { exports: entries } = JSON.parse(readFileSync('package.json', 'utf8'));
const faults = [];
for (const { what, code, budget, packages, without = [] } of cases) {
  const { size, modules, imported } = await bundle(code);
  console.log(`${what.padEnd(26)} ${(size / kB).toFixed(2).padStart(6)} kB of ${budget}`);
  if (size > budget * kB) faults.push(`${what} takes ${size} bytes; its budget is ${budget * kB}.`);
  for (const part of without) {
    const exists = existsSync(`dist/${part}`) || existsSync(`dist/${part}.js`);
    if (!exists) faults.push(`${what} is to leave out dist/${part}, which does not exist.`);
    const kept = modules.filter((path) => path.includes(`/dist/${part}`));
    if (kept.length > 0) faults.push(`${what} keeps ${kept.join(', ')}, which it does not use.`);
  }
  const allowed = packages ?? [];
  const strangers = imported.filter(
    (name) => /^(@tensorflow|onnxruntime|bullmq|ioredis)/.test(name) && !allowed.includes(name),
  );
  if (strangers.length > 0) faults.push(`${what} imports ${strangers.join(', ')}.`);
}
if (faults.length > 0) throw new Error(faults.join('\n'));

/**
 * What remains of a module: its gzipped size, the modules with code in it, and the packages it imports.
 *
 * @param {string} code
 */
async function bundle(code) {
  const build = await rolldown({
    input: 'entry',
    platform: 'browser',
    logLevel: 'silent',
    external: (id) => !/^(\.|\/|entry$|quasi-newton)/.test(id),
    plugins: [
      {
        name: 'entry',
        resolveId(id) {
          if (id === 'entry') return id;
          if (!id.startsWith('quasi-newton')) return null;
          return `${process.cwd()}/${entries[id.replace('quasi-newton', '.')].default}`;
        },
        load: (id) => (id === 'entry' ? code : null),
      },
    ],
  });
  const { output } = await build.generate({ minify: true });
  await build.close();
  const all = output.filter((part) => part.type === 'chunk');
  const entry = all.filter((chunk) => chunk.isEntry);
  const chunks = [...new Set(entry.flatMap((chunk) => Array.from(neededBy(chunk, all))))];
  return {
    size: chunks.reduce((sum, chunk) => sum + gzipSync(chunk.code, { level: 9 }).length, 0),
    modules: chunks.flatMap(({ modules }) =>
      Object.entries(modules).flatMap(([path, { renderedLength }]) => (renderedLength > 0 ? [path] : [])),
    ),
    imported: all.flatMap(({ imports, dynamicImports }) => imports.concat(dynamicImports)),
  };
}

/**
 * A chunk and all that it imports at once.
 *
 * @param {import('rolldown').OutputChunk} chunk
 * @param {import('rolldown').OutputChunk[]} all
 * @param {Set<import('rolldown').OutputChunk>} found
 */
function neededBy(chunk, all, found = new Set()) {
  found.add(chunk);
  for (const other of all) {
    if (chunk.imports.includes(other.fileName) && !found.has(other)) neededBy(other, all, found);
  }
  return found;
}
