import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { weightRole, type Lowering, type OpTable } from '../ir/op.ts';
import { meet, unclear, type SampleRule } from '../ir/samples.ts';
import { broadcastDimension, unknownDimension, type Dimension } from '../ir/shape.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { emit, type MapRule } from '../ir/vmap.ts';

/** A parsed equation: the letters of the axes of each input and of the output. */
export interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Parses an equation; returns undefined if it has an ellipsis or is malformed. */
export function parseEinsum(equation: string): Equation | undefined {
  const compact = equation.replaceAll(/\s/g, '');
  if (!/^[A-Za-z,]*(->[A-Za-z]*)?$/.test(compact)) return undefined;
  const [left, right] = compact.split('->');
  const inputs = left.split(',').map((letters) => letters.split(''));
  return { inputs, output: right?.split('') ?? onceIn(inputs) };
}

/** Output of an equation without an arrow: the letters that occur once, in alphabetical order. */
function onceIn(inputs: readonly (readonly string[])[]): string[] {
  const counts = new Map<string, number>();
  for (const letter of inputs.flat()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return [...counts.keys()].filter((letter) => counts.get(letter) === 1).toSorted();
}

/** Writes an equation. */
export const einsumEquation = ({ inputs, output }: Equation): string =>
  `${inputs.map((letters) => letters.join('')).join(',')}->${output.join('')}`;

/** True if an equation has neither an ellipsis nor a letter twice in one term. */
function isPlain(text: string): boolean {
  const equation = parseEinsum(text);
  return (
    equation !== undefined && equation.inputs.every((letters) => new Set(letters).size === letters.length)
  );
}

const ellipsis = '...';

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('');

/**
 * Replaces the ellipses of an equation by letters; all ellipses stand for the same axes.
 *
 * @param ranks - ranks of the inputs
 */
function withoutEllipsis(text: string, ranks: readonly number[]): string {
  const compact = text.replaceAll(/\s/g, '');
  const [left, right] = compact.split('->');
  const terms = left.split(',');
  const first = terms.findIndex((term) => term.includes(ellipsis));
  if (first < 0) return compact;
  const count = ranks[first] - (terms[first].length - ellipsis.length);
  const unused = alphabet.filter((letter) => !compact.includes(letter));
  const letters = unused.slice(0, Math.max(0, count)).join('');
  // Without an arrow, these axes come first.
  const output = right ?? ellipsis + (parseEinsum(left.replaceAll(ellipsis, ''))?.output.join('') ?? '');
  return `${left}->${output}`.replaceAll(ellipsis, letters);
}

/** Takes the diagonal of axes with the same letter; only the first of these axes remains. */
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

/** Writes an Einsum with an ellipsis or a diagonal as one without. */
const plain: Lowering = (g, node, attributes) => {
  const text = attributes.string('equation', '');
  if (isPlain(text)) return undefined;
  const equation = parseEinsum(
    withoutEllipsis(
      text,
      node.input.map((input) => g.rank(input)),
    ),
  );
  if (equation === undefined) refuse(`${JSON.stringify(text)} is not a valid equation.`);
  if (equation.inputs.length !== node.input.length)
    refuse(`its equation has ${equation.inputs.length} terms, for ${node.input.length} inputs.`);
  const operands = node.input.map((input, i) => diagonal(g, input, equation.inputs[i]));
  const inputs = equation.inputs.map((letters) => [...new Set(letters)]);
  return [g.op('Einsum', operands, { equation: einsumEquation({ inputs, output: equation.output }) })];
};

const infer: InferRule = (c) => {
  const dtype = c.dtype(0);
  const equation = parseEinsum(c.attributes.string('equation', ''));
  if (equation === undefined) return [{ dtype }];
  const sizes = new Map<string, Dimension>();
  equation.inputs.forEach((letters, i) =>
    letters.forEach((letter, axis) => {
      const size = c.shape(i)?.[axis];
      if (size !== undefined) sizes.set(letter, broadcastDimension(sizes.get(letter) ?? 1, size));
    }),
  );
  return [{ dtype, shape: equation.output.map((letter) => sizes.get(letter) ?? unknownDimension()) }];
};

const samplesOf: SampleRule = (c) => {
  const equation = parseEinsum(c.attributes.string('equation', '')) ?? unclear();
  const letters = c.node.input.flatMap((_, i) => {
    const samples = c.of(i);
    return samples ? [equation.inputs[i][samples.axis]] : [];
  });
  const [letter] = letters;
  const axis = equation.output.indexOf(letter);
  if (letters.some((other) => other !== letter)) meet('they lie on different axes of its inputs');
  if (axis < 0) meet('it sums over the batch');
  const apart = equation.inputs.some(
    (each, i) => !c.of(i) && each.includes(letter) && c.shape(i)?.[each.indexOf(letter)] !== 1,
  );
  if (apart) meet('another input has more than one element along the batch');
  const inner = c.node.input.map((_, i) => c.of(i)?.inner).find((size) => size !== undefined) ?? 1;
  return { axis, inner };
};

const repeats = (letters: readonly string[]) => new Set(letters).size < letters.length;

/** The cotangent of an operand is an Einsum of the result's cotangent with the other operands. */
const gradient: VjpRule = ({ g, inputs, dy, needs, attributes }) => {
  const text = JSON.stringify(attributes.string('equation', ''));
  const equation = parseEinsum(attributes.string('equation', ''));
  if (equation === undefined)
    refuse(
      `the equation ${text} has no rule, because the ranks of its inputs are not known; write its ellipsis out.`,
    );
  if (equation.inputs.length !== inputs.length)
    refuse(`its equation has ${equation.inputs.length} terms, for ${inputs.length} inputs.`);
  if (equation.inputs.some(repeats) || repeats(equation.output)) {
    refuse(`the equation ${text} takes a diagonal, which has no rule.`);
  }
  return inputs.map((input, i) => {
    if (!needs(i)) return undefined;
    const own = equation.inputs[i];
    const others = equation.inputs.filter((_, k) => k !== i);
    const present = new Set([...equation.output, ...others.flat()]);
    const d = g.op('Einsum', [dy, ...inputs.filter((_, k) => k !== i)], {
      equation: einsumEquation({
        inputs: [equation.output, ...others],
        output: own.filter((letter) => present.has(letter)),
      }),
    });
    // Along axes that only this operand has, the cotangent is constant. An axis of size 1 that broadcasts against longer
    // ones of the same letter gets the sum of their cotangents.
    const alone = own.flatMap((letter, axis) => (present.has(letter) ? [] : [axis]));
    return g.sumTo(g.expandLike(g.unsqueeze(d, alone), input), input);
  });
};

/** All copies share one more letter. */
const mapEinsum: MapRule = (c) => {
  const equation =
    parseEinsum(c.attributes.string('equation', '')) ?? refuse('its equation has an ellipsis.');
  const used = new Set([...equation.inputs.flat(), ...equation.output]);
  const letter =
    'abcdefghijklmnopqrstuvwxyz'.split('').find((each) => !used.has(each)) ??
    refuse('its equation uses all 26 letters.');
  const inputs = equation.inputs.map((letters, i) => (c.isMapped(i) ? [letter, ...letters] : letters));
  return emit(
    c,
    c.node.input.map((_, i) => c.value(i)),
    { equation: einsumEquation({ inputs, output: [letter, ...equation.output] }) },
  );
};

/** Einsum. */
export const einsum: OpTable = {
  Einsum: {
    infer,
    samples: samplesOf,
    as: { read: plain },
    vjp: gradient,
    vmap: mapEinsum,
    roles: () => weightRole(),
    isCostly: true,
  },
};
