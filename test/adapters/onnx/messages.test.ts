import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { differentiate, explain } from 'quasi-newton/onnx';
import { parseSync } from 'vite';
import { expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { floats, modelFrom, node, runOnce, tensor, typed } from './written.ts';

const sources = fileURLToPath(new URL('../../../src/adapters/onnx', import.meta.url));

/** The operands of all spreads into object literals in a source text. */
function spreads(text: string): string[] {
  const found: string[] = [];
  const walk = (at: unknown, within: boolean): void => {
    if (typeof at !== 'object' || at === null) return;
    const { type, argument } = at as { type?: string; argument?: { start: number; end: number } };
    if (within && type === 'SpreadElement' && argument) found.push(text.slice(argument.start, argument.end));
    for (const child of Object.values(at))
      walk(child, type === 'ObjectExpression' || (within && Array.isArray(at)));
  };
  walk(parseSync('source.ts', text).program, false);
  return found;
}

test('no protobuf message is spread into another object: fields that hold their default would be lost', () => {
  // Each of these is a plain object of this package; so is what stands in parentheses, a condition.
  const plain =
    /^(\(|Object\.fromEntries\(|(changesOf|fixedIn|vectors|checked|cotangents|quiet|reducing|specOf|tangents|threads|fit|unary|unitVectors|viewsOf|weights\.many|windowOf)\()/;
  const names = new Set(
    `attributes context convolution data differentiate layerRules extra feeds fields fixed found built inputs known lowered many more named op options outputs parameters params
     parts place point problem random rest role sessionOptions shared sizes source target tokenRole traits vectors window`.split(
      /\s+/,
    ),
  );
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const strangers = files.flatMap((file) =>
    spreads(readFileSync(join(sources, file), 'utf8'))
      .filter((operand) => !plain.test(operand) && !names.has(operand))
      .map((operand) => `${file}: ...${operand}`),
  );
  expect(strangers).toEqual([]);
});

const constants: readonly (readonly [string, Parameters<typeof node>[3]])[] = [
  ['float_data', { value: typed({ dims: [1n], dataType: DType.FLOAT, floatData: [2] }) }],
  ['raw_data', { value: floats('', [1], [2]) }],
  ['a float', { value_float: 2 }],
  ['floats', { value_floats: [2] }],
];

test.each(constants)('a Constant that holds %s is read', async (_, attributes) => {
  const bytes = modelFrom({
    inputs: { x: [1, 3] },
    outputs: { y: [1, 2] },
    initializers: [floats('w', [3, 2], [1, 2, 3, 4, 5, 6])],
    nodes: [
      node('Constant', [], 'k', attributes),
      node('MatMul', ['x', 'w'], 'h'),
      node('Mul', ['h', 'k'], 'y'),
    ],
  });
  expect(explain(bytes).faults).toEqual([]);
  const gradients = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['x'] });
  const { 'grad_of/x': gradient } = await runOnce(gradients, { x: tensor([1, 3], [1, 1, 1]) });
  expect(gradient).toEqual([6, 14, 22]);
});

test('a Constant of int64_data, and an empty one, are read', async () => {
  const value = (dims: bigint[], int64Data: bigint[]) => ({
    value: typed({ dims, dataType: DType.INT64, int64Data }),
  });
  const bytes = modelFrom({
    inputs: { x: [2, 3] },
    outputs: { y: [6] },
    nodes: [
      node('Constant', [], 'shape', value([1n], [6n])),
      node('Constant', [], 'none', value([0n], [])),
      node('Reshape', ['x', 'shape'], 'flat'),
      node('Constant', [], 'nothing', { value: typed({ dims: [0n], dataType: DType.FLOAT }) }),
      node('Concat', ['flat', 'nothing'], 'all', { axis: 0 }),
      node('ReduceSum', ['all', 'none'], 'y', { keepdims: 0, noop_with_empty_axes: 1 }),
    ],
  });
  const gradients = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['x'] });
  const { 'grad_of/x': gradient } = await runOnce(gradients, { x: tensor([2, 3], [1, 2, 3, 4, 5, 6]) });
  expect(gradient).toEqual([1, 1, 1, 1, 1, 1]);
});
