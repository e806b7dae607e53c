import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import { einsumEquation, isPlain, parseEinsum, withoutEllipsis } from '../ops/einsum.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** x where all axes of the same letter have the same place: the others of them are summed out. */
function diagonal(g: Builder, x: Value, letters: readonly string[]): Value {
  const rank = letters.length;
  const second = letters.findIndex((letter, i) => letters.indexOf(letter) < i);
  if (second < 0) return x;
  const first = letters.indexOf(letters[second]);
  const along = (axis: number) => g.places(g.sizes(x, [first]), axis, rank);
  const kept = g.sum(g.where(g.equal(along(first), along(second)), x, 0), [second], false);
  return diagonal(
    g,
    kept,
    letters.filter((_, i) => i !== second),
  );
}

/** An Einsum with an ellipsis or a diagonal, as one without. */
export const einsum: Lowering = (g, node, attributes) => {
  const text = attributes.string('equation', '');
  if (isPlain(text)) return undefined;
  const equation = parseEinsum(
    withoutEllipsis(
      text,
      node.input.map((input) => g.rank(input)),
    ),
  );
  if (equation === undefined) refuse(`the equation ${JSON.stringify(text)} is none.`);
  if (equation.inputs.length !== node.input.length)
    refuse(`its equation has ${equation.inputs.length} terms, for ${node.input.length} inputs.`);
  const operands = node.input.map((input, i) => diagonal(g, input, equation.inputs[i]));
  const inputs = equation.inputs.map((letters) => [...new Set(letters)]);
  return [g.op('Einsum', operands, { equation: einsumEquation({ inputs, output: equation.output }) })];
};
