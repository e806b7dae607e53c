// Packs the project, installs the tarball in an empty folder as a user would, and loads every entry point
// there: first with no backend installed, then with them; type-checks a TypeScript user of each; and follows the
// README and the first page of the documents, in JavaScript, in TypeScript and in the shell; and runs an example where it
// is installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cdnOf, isRelative, linksOf } from './readme.js';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const { exports: entries, devDependencies } = manifest;
const names = Object.keys(entries)
  .filter((entry) => entry !== './package.json')
  .map((entry) => entry.replace(/^\./, 'quasi-newton'));
/** Entry points that are about one backend and cannot load without it. */
const needsBackend = new Set(['quasi-newton/tfjs']);

const digits = 'node_modules/quasi-newton/examples/models/digits.onnx';
const folder = mkdtempSync(join(tmpdir(), 'quasi-newton-'));
const readme = readFileSync('README.md', 'utf8');
try {
  step('publint', () => run('npx', ['publint', '--strict', '--pack', 'npm'], '.'));
  const [{ filename, files, size }] = JSON.parse(
    // .npmrc turns scripts off, but packing needs two; what they print would stand before the JSON.
    run(
      'npm',
      [
        'pack',
        '--json',
        '--ignore-scripts=false',
        '--foreground-scripts=false',
        '--pack-destination',
        folder,
      ],
      '.',
    ),
  );
  console.log(`packed: ${files.length} files, ${(size / 1024).toFixed(0)} kB`);

  step('what its pages link to and show is in the package', () =>
    checkLinks(files.map((/** @type {{ path: string }} */ { path }) => path)),
  );

  cpSync('.npmrc', join(folder, '.npmrc'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  install(filename);
  step('README.md of the package shows its pictures where no repository is known', () =>
    checkReadme(files.map((/** @type {{ path: string }} */ { path }) => path)),
  );
  for (const name of names) {
    if (needsBackend.has(name)) {
      step(`${name} without its backend says what is missing`, () => expectMissing(name, '@tensorflow/tfjs'));
    } else {
      step(`${name} loads with no backend installed`, () => load(name));
    }
  }

  step('the command line says that onnxruntime-node is missing', () => {
    writeFileSync(join(folder, 'data.csv'), table());
    const { status, stderr } = command(
      'train',
      digits,
      '--data',
      'data.csv',
      '--target',
      'y',
      '--out',
      't.onnx',
    );
    if (status !== 2 || !stderr.includes('npm install onnxruntime-node'))
      throw new Error(`${status}: ${stderr}`);
  });

  const backends = ['@tensorflow/tfjs', 'onnxruntime-node', 'bullmq', 'ioredis', 'typescript', '@types/node'];
  install(...backends.map((name) => `${name}@${devDependencies[name]}`));
  for (const name of names) step(`${name} loads with the backends installed`, () => load(name));
  step('a TypeScript user of all entry points type-checks', typeCheck);
  step('the command line explains the model of the examples', () =>
    command('explain', digits, { mustWork: true }),
  );
  step('the commands of README.md train and draw a model of a table', followInTheShell);
  step('an example runs where it is installed', () =>
    run('node', ['node_modules/quasi-newton/examples/01-sine.js'], folder, { QUICK: '1' }),
  );
  for (const page of ['README.md', 'docs/getting-started.md']) {
    step(`the examples of ${page} run`, () => follow(page));
    step(`the examples of ${page} are TypeScript`, () => followInTypeScript(page));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Finds pages that link to, or show, what the package does not hold; addresses of the web are left alone.
 *
 * @param {string[]} paths - of the files in the package
 */
function checkLinks(paths) {
  const isThere = (/** @type {string} */ target) =>
    paths.some((path) => path === target || path.startsWith(`${target.replace(/\/$/, '')}/`));
  const missing = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) => {
      return linksOf(readFileSync(page, 'utf8'))
        .filter(isRelative)
        .filter((target) => !isThere(join(dirname(page), target.replace(/#.*$/, ''))))
        .map((target) => `${page}: ${target}`);
    });
  if (missing.length > 0) throw new Error(`The package lacks what its pages link to:\n${missing.join('\n')}`);
}

/**
 * Finds what README.md, as installed, shows or links to beside itself, or on the CDN where the package has no such file;
 * and a README.md in the repository that packing has changed.
 *
 * @param {string[]} paths - of the files in the package
 */
function checkReadme(paths) {
  const cdn = cdnOf(manifest);
  const links = linksOf(readFileSync(join(folder, 'node_modules/quasi-newton/README.md'), 'utf8'));
  const isBroken = (/** @type {string} */ link) =>
    link.startsWith(cdn) ? !paths.includes(link.slice(cdn.length).replace(/#.*$/, '')) : isRelative(link);
  const broken = links.filter(isBroken);
  if (broken.length > 0) throw new Error(`README.md of the package leads nowhere:\n${broken.join('\n')}`);
  const pictures = links.filter((link) => link.startsWith(cdn) && link.endsWith('.svg'));
  if (pictures.length === 0) throw new Error('README.md of the package shows no picture.');
  if (readFileSync('README.md', 'utf8') !== readme) throw new Error('Packing left README.md changed.');
}

/** A table of y = sin x. */
function table() {
  const rows = Array.from({ length: 50 }, (_, i) => [i / 10, Math.sin(i / 10)]);
  return ['x,y', ...rows.map((row) => row.join(','))].join('\n');
}

/**
 * Runs the installed command.
 *
 * @param {(string | { mustWork: boolean })[]} args
 */
function command(...args) {
  const words = args.filter((arg) => typeof arg === 'string');
  const options = /** @type {const} */ ({ cwd: folder, encoding: 'utf8' });
  const result = spawnSync('npx', ['--no-install', 'quasi-newton', ...words], options);
  if (args.length > words.length && result.status !== 0) throw new Error(result.stderr);
  return result;
}

function followInTheShell() {
  const text = readFileSync(join(folder, 'node_modules/quasi-newton/README.md'), 'utf8');
  const lines = [...text.matchAll(/^npx quasi-newton (.*)$/gm)].map(([, line]) => line.split(' '));
  if (lines.length < 3) throw new Error('README.md shows no commands.');
  for (const line of lines) command(...line, { mustWork: true });
  for (const file of ['trained.onnx', 'landscape.html'])
    if (!existsSync(join(folder, file))) throw new Error(`${file} was not written.`);
}

/** @param {string[]} packages */
function install(...packages) {
  run('npm', ['install', '--no-audit', '--no-fund', ...packages], folder);
}

/** @param {string} name */
function load(name) {
  const count = run(
    'node',
    ['-e', `import('${name}').then((m) => console.log(Object.keys(m).length))`],
    folder,
  );
  if (!(Number(count) > 0)) throw new Error(`${name} exports nothing.`);
}

/**
 * @param {string} name
 * @param {string} missing
 */
function expectMissing(name, missing) {
  const message = run(
    'node',
    ['-e', `import('${name}').then(() => 'loaded', (e) => e.message).then(console.log)`],
    folder,
  );
  if (!message.includes(missing)) throw new Error(`expected a word of ${missing}, got: ${message}`);
}

function typeCheck() {
  const imports = names.map((name, i) => `import * as entry${i} from '${name}';`);
  const uses = names.map((_, i) => `console.log(entry${i});`);
  // A declaration that does not resolve would be `any`, and `any` goes with everything.
  const typed = `
    import { lbfgs, minimize } from 'quasi-newton';
    const { x } = minimize({ p0: Float64Array.of(1), fg: () => 0 }, lbfgs());
    console.log(x satisfies Float64Array);
    // @ts-expect-error x is no string
    console.log(x satisfies string);`;
  writeFileSync(join(folder, 'user.ts'), [...imports, ...uses, typed].join('\n'));
  checkTypes('user.ts', 'nodenext', 'nodenext');
}

/** @param {string} page - as the tarball holds it */
function follow(page) {
  writeFileSync(join(folder, 'page.mjs'), examplesOf(page));
  run('node', ['page.mjs'], folder);
}

/** @param {string} page */
function followInTypeScript(page) {
  writeFileSync(join(folder, 'page.ts'), examplesOf(page));
  checkTypes('page.ts', 'nodenext', 'nodenext');
  checkTypes('page.ts', 'esnext', 'bundler');
}

/** @param {string} page */
function examplesOf(page) {
  const text = readFileSync(join(folder, 'node_modules/quasi-newton', page), 'utf8');
  return [...text.matchAll(/^```js[ \t]*\n([\s\S]*?)^```/gm)].map(([, code]) => code).join('\n');
}

/**
 * @param {string} file
 * @param {string} module
 * @param {string} moduleResolution
 */
function checkTypes(file, module, moduleResolution) {
  const settings = { target: 'es2023', types: 'node', module, moduleResolution };
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  run('npx', ['tsc', '--noEmit', '--strict', '--skipLibCheck', ...options, file], folder);
}

/**
 * @param {string} what
 * @param {() => void} check
 */
function step(what, check) {
  check();
  console.log(`ok: ${what}`);
}

/**
 * Runs a command and returns what it prints; its errors are shown if it fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 * @param {Record<string, string>} [env]
 */
function run(command, args, cwd, env = {}) {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}
