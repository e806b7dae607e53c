import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { OpTable } from '../../../src/adapters/onnx/ir/op.ts';
import { families, isDifferentiable } from '../../../src/adapters/onnx/ops/index.ts';

const page = new URL('../../../docs/onnx-differentiate.md', import.meta.url);
const [begin, end] = ['<!-- coverage -->\n', '<!-- end of coverage -->'];
// Ops whose own float64 kernel is only passed by, for what ONNX Runtime makes of them.
const native = new Set(
  'Sigmoid Swish Shrink GroupNormalization LayerNormalization SimplifiedLayerNormalization'.split(' '),
);

/** The ops of a family that have a gradient, those marked that have a float64 form of their own. */
const listed = (tables: readonly OpTable[]): string[] =>
  tables
    .flatMap((table) => Object.entries(table))
    .filter(([name]) => isDifferentiable(name))
    .map(([name, { as }]) => (as?.float64 && !native.has(name) ? `${name}*` : name))
    .toSorted();

/** The table of all ops, as the page has it. */
function table(): string {
  const rows = Object.entries(families).map(([family, ops]) => `| ${family} | ${listed(ops).join(', ')} |\n`);
  return `| | ops |\n|---|---|\n${rows.join('')}`;
}

test('the page lists every op that has a gradient (ONNX_WRITE_COVERAGE=1 writes it)', () => {
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  if (process.env['ONNX_WRITE_COVERAGE']) writeFileSync(page, text.slice(0, from) + table() + text.slice(to));
  expect(readFileSync(page, 'utf8')).toContain(begin + table() + end);
});

test('shapes are inferred for every op that stays in the graph and has a gradient', () => {
  const tables = Object.values(families).flatMap((family) =>
    family.flatMap((table) => Object.entries(table)),
  );
  const unknown = tables.filter(([, { infer, vjp }]) => vjp !== undefined && infer === undefined);
  expect(unknown).toEqual([]);
});
