/**
 * Gradients of every layer that has weights, on every backend there is, against differences of the loss; and
 * what else must hold on all of them. Prints a table, and with `UPDATE_DOCS=1` writes it to
 * `docs/tfjs-layers.md`. The browser runs the built package.
 */
import { writeFileSync } from 'node:fs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as checks from './browser/checks.js';
import { noBrowser, openBrowser, type Surroundings } from './browser/page.ts';

type Row = Awaited<ReturnType<typeof checks.layerTable>>[number];
type Check = Exclude<keyof typeof checks, 'layerCases' | 'useBackend'>;

const table = new Map<string, readonly Row[]>();

/** float32 differences of the fourth order agree with right gradients to 1e-3; with wrong ones to nothing. */
const AGREEMENT = 3e-3;

const cell = (error: number | string | undefined) =>
  typeof error === 'number' ? error.toExponential(0) : (error ?? '–');

/** Takes the rows into the table; returns what is wrong with them. */
function faultsIn(backend: string, rows: readonly Row[]): string[] {
  table.set(backend, rows);
  return rows.flatMap(({ name, error, leaked }) => [
    ...(typeof error === 'number' && error < AGREEMENT ? [] : [`${name}: ${error}`]),
    ...(leaked === 0 ? [] : [`${name} leaves ${leaked} tensors`]),
  ]);
}

/** Runs the checks on training, wherever `run` runs them; returns what is wrong. */
async function faultsInTraining(run: (name: Check) => Promise<unknown>): Promise<string[]> {
  const fit = (await run('trainsByFit')) as Awaited<ReturnType<typeof checks.trainsByFit>>;
  const later = (await run('trainsLater')) as Awaited<ReturnType<typeof checks.trainsLater>>;
  const claims: Record<string, boolean> = {
    'fit lowers the loss': fit.last < 0.05 * fit.first,
    'fit leaks nothing': fit.leaked === 0,
    'the path that answers later lowers the loss': later.last < 0.05 * later.first,
    'bfgs goes on from there': later.polished <= later.last,
    'the path that answers later leaks nothing': later.leaked === 0,
    'a saved model goes on bit for bit': (await run('savesAndGoesOn')) === 0,
    'the backend reads at once': (await run('saysWhatToUse')) === null,
  };
  return Object.keys(claims).filter((claim) => !claims[claim]);
}

const run = (name: Check, backend: string): Promise<unknown> =>
  (checks as Record<Check, (backend: string) => Promise<unknown>>)[name](backend);

describe.each(['cpu', 'wasm'])('on %s in Node', (backend) => {
  it('every layer has its gradients', async () => {
    expect(faultsIn(backend, await checks.layerTable(backend))).toEqual([]);
  });

  it('a model trains, is saved, and goes on', async () => {
    expect(await faultsInTraining((name) => run(name, backend))).toEqual([]);
  });
});

describe.skipIf(noBrowser)('in a browser', () => {
  let browser: Surroundings;
  /** Runs a check in the page; as text, for what is compiled here would not run there. */
  const inPage = (name: Check, backend: string): Promise<never> =>
    browser.page.evaluate(`(async () => {
      if (${backend === 'webgpu'}) await import('@tensorflow/tfjs-backend-webgpu');
      const checks = await import('/test/adapters/tfjs/browser/checks.js');
      return checks.${name}('${backend}');
    })()`);

  beforeAll(async () => {
    browser = await openBrowser();
    await browser.page.goto(`${browser.origin}test/adapters/tfjs/browser/blank.html`);
  });
  afterAll(() => browser.close());

  it.each(['cpu', 'webgl'])(
    'in a browser, on %s, every layer has its gradients',
    async (backend) => {
      expect(faultsIn(`${backend}, Chromium`, await inPage('layerTable', backend))).toEqual([]);
    },
    240_000,
  );

  it.each(['cpu', 'webgl'])(
    'in a browser, on %s, a model trains, is saved, and goes on',
    async (backend) => {
      expect(await faultsInTraining((name) => inPage(name, backend))).toEqual([]);
    },
    240_000,
  );

  describe('on webgpu, by the path that answers later,', () => {
    const noAdapter =
      'This Chromium has no webgpu adapter, not even in software: tests on webgpu are skipped.';
    let adapter = false;

    beforeAll(async () => {
      adapter = await browser.page.evaluate(async () => {
        const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
        return (await gpu?.requestAdapter()) != null;
      });
      if (!adapter) console.log(noAdapter);
    });
    beforeEach((context) => context.skip(!adapter, noAdapter));

    it('every layer has its gradients', async () => {
      expect(faultsIn('webgpu, Chromium', await inPage('layerTable', 'webgpu'))).toEqual([]);
    }, 240_000);

    it('a model trains', async () => {
      const { first, last, polished, leaked }: Awaited<ReturnType<typeof checks.trainsLater>> = await inPage(
        'trainsLater',
        'webgpu',
      );
      expect(last).toBeLessThan(0.05 * first);
      expect(polished).toBeLessThanOrEqual(last);
      expect(leaked).toBe(0);
    }, 240_000);

    it('what answers at once is refused, saying what to use', async () => {
      expect(await inPage('saysWhatToUse', 'webgpu')).toMatch(
        /"webgpu" cannot be read synchronously.*fitFullBatchAsync/,
      );
    });
  });
});

afterAll(() => {
  if (noBrowser) console.log(noBrowser);
  const backends = [...table.keys()];
  const lines = [
    `| layer | ${backends.join(' | ')} |`,
    `|---|${'---|'.repeat(backends.length)}`,
    ...checks.layerCases.map(([name], i) => {
      const cells = backends.map((backend) => cell(table.get(backend)![i]?.error));
      return `| ${name} | ${cells.join(' | ')} |`;
    }),
  ];
  console.log(lines.join('\n'));
  if (process.env['UPDATE_DOCS']) {
    writeFileSync(
      'docs/tfjs-layers.md',
      `# Layers and backends

The error of the gradient of a loss through each layer of TensorFlow.js that has weights, in float32: the difference from
central differences of that loss along random directions, relative to the norm of the gradient. If a layer could not be
differentiated, its cell gives the reason.

- **wasm** is used with \`enableWasmConv()\`. Without it, convolutions and embeddings have no gradient, and max pooling of
  negative numbers and transposed 3-D convolution give wrong results.
- **conv3dTranspose** is used with \`enableSecondOrder()\`. Without it, it has no gradient on any backend.
- **Corrected**: TensorFlow.js 4.22 itself computes wrong gradients of average pooling with \`padding: 'same'\` and of global max
  pooling over equal elements, on all backends, and of upsampled batches on cpu. The first gradient that this package
  computes corrects them, for the whole page.
- **Max pooling**: some windows are nearly tied, which makes the differences inaccurate.
- **webgl and webgpu** run in Chromium on its software renderer, SwiftShader, and small tensors are computed there, too, not on
  the CPU as TensorFlow.js does by default. webgpu uses \`optfunsAsync\`. The layers are small; webgpu multiplies large
  matrices with other kernels, which are not tested here.

${lines.join('\n')}

This table is written by \`UPDATE_DOCS=1 npx vitest run test/adapters/tfjs/layers.test.ts\`, after \`npm run build\`.
`,
    );
  }
});
