// Compiles the kernels and embeds them: run as `npm run build:kernels` after a change to a file `*.wat.js`.
// The results are committed, so that building the package takes nothing but the TypeScript compiler.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { adamText } from './adam.wat.js';
import { gramText } from './gram.wat.js';
import { kernelsText } from './kernels.wat.js';
import { matricesText } from './matrices.wat.js';
import { symmetricText } from './symmetric.wat.js';
import { vectorsText } from './vectors.wat.js';

/** @param {string} name */
const pathOf = (name) => fileURLToPath(new URL(`../src/core/kernels/${name}.ts`, import.meta.url));

/** Generated modules. Few solvers need those of matrices, which stand by themselves. */
export const embedded = [
  { name: 'simdBytes', path: pathOf('simdBytes'), source: 'kernels.wat.js', text: kernelsText },
  { name: 'gramBytes', path: pathOf('gramBytes'), source: 'gram.wat.js', text: gramText },
  { name: 'matrixBytes', path: pathOf('matrixBytes'), source: 'matrices.wat.js', text: matricesText },
  { name: 'symmetricBytes', path: pathOf('symmetricBytes'), source: 'symmetric.wat.js', text: symmetricText },
  { name: 'vectorBytes', path: pathOf('vectorBytes'), source: 'vectors.wat.js', text: vectorsText },
  { name: 'adamBytes', path: pathOf('adamBytes'), source: 'adam.wat.js', text: adamText },
];

/**
 * The text of a generated module.
 *
 * @param {{ name: string, source: string, text: string }} module
 */
export async function embedKernels({ name, source, text }) {
  const compiler = await wabt();
  const module = compiler.parseWat(source, text, { simd: true });
  try {
    module.validate();
    const bytes = Buffer.from(module.toBinary({}).buffer);
    return `// Generated from scripts/${source} by \`npm run build:kernels\`: ${bytes.length} bytes of WebAssembly, in\n// hexadecimal, which packers shrink better than base64.\n\nexport const ${name} =\n  '${bytes.toString('hex')}';\n`;
  } finally {
    module.destroy();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const module of embedded) writeFileSync(module.path, await embedKernels(module));
}
