import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { float64Kernels } from '../../../src/adapters/onnx/kernels/float64.ts';
import { inferredOps } from '../../../src/adapters/onnx/infer/infer.ts';
import { expansions } from '../../../src/adapters/onnx/expansions/expansions.ts';
import { ruleFamilies } from '../../../src/adapters/onnx/registry.ts';

const page = new URL('../../../docs/onnx-differentiate.md', import.meta.url);
const [begin, end] = ['<!-- coverage -->\n', '<!-- end of coverage -->'];
// Ops whose own float64 kernel is only passed by, for what ONNX Runtime makes of them.
const native = new Set(
  'Sigmoid Shrink GroupNormalization LayerNormalization SimplifiedLayerNormalization'.split(' '),
);

/** Hardmax has a rule only to say better why it is refused. */
const listed = (ops: Iterable<string>) =>
  Array.from(ops)
    .filter((op) => op !== 'Hardmax')
    .toSorted();

const star = (op: string) => (float64Kernels.has(op) && !native.has(op) ? `${op}*` : op);

/** The table of all rules, as the page has it. */
function table(): string {
  const rows = Object.entries(ruleFamilies).map(
    ([family, rules]) => `| ${family} | ${listed(rules.keys()).map(star).join(', ')} |\n`,
  );
  return `| | ops |\n|---|---|\n${rows.join('')}`;
}

test('the page tells of every rule (ONNX_WRITE_COVERAGE=1 writes it)', () => {
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  if (process.env['ONNX_WRITE_COVERAGE']) writeFileSync(page, text.slice(0, from) + table() + text.slice(to));
  expect(readFileSync(page, 'utf8')).toContain(begin + table() + end);
});

// Their results' types are those that the graphs inside them make.
const within = new Set(['Scan', 'If', 'Loop']);

test('shapes are inferred for every op that has a rule', () => {
  const known = inferredOps();
  const ops = Object.values(ruleFamilies).flatMap((rules) => Array.from(rules.keys()));
  expect(ops.filter((op) => !known.has(op) && !expansions.has(op) && !within.has(op))).toEqual([]);
});
