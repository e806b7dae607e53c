// Compiles the kernels and embeds them: run as `npm run build:kernels` after a change to kernels.wat.js.
// The result is committed, so that building the package takes nothing but the TypeScript compiler.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { kernelsText } from './kernels.wat.js';

export const embedded = fileURLToPath(new URL('../src/core/kernels/simdBytes.ts', import.meta.url));

/** The text of the generated module. */
export async function embedKernels() {
  const compiler = await wabt();
  const module = compiler.parseWat('kernels.wat', kernelsText, { simd: true });
  try {
    module.validate();
    const bytes = Buffer.from(module.toBinary({}).buffer);
    return `// Generated from scripts/kernels.wat.js by \`npm run build:kernels\`: ${bytes.length} bytes of WebAssembly, in\n// hexadecimal, which packers shrink better than base64.\n\nexport const simdBytes =\n  '${bytes.toString('hex')}';\n`;
  } finally {
    module.destroy();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(embedded, await embedKernels());
