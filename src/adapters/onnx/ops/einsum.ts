/** An Einsum equation, taken apart: the letters of each input's axes and of the output's. */
export interface Einsum {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Takes an equation apart; undefined for one with an ellipsis, or that is none. */
export function parseEinsum(equation: string): Einsum | undefined {
  const compact = equation.replaceAll(/\s/g, '');
  if (!/^[A-Za-z,]*(->[A-Za-z]*)?$/.test(compact)) return undefined;
  const [left, right] = compact.split('->');
  const inputs = left.split(',').map((letters) => letters.split(''));
  return { inputs, output: right?.split('') ?? onceIn(inputs) };
}

/** Without an arrow, the output holds in alphabetical order the letters that occur once. */
function onceIn(inputs: readonly (readonly string[])[]): string[] {
  const counts = new Map<string, number>();
  for (const letter of inputs.flat()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return [...counts.keys()].filter((letter) => counts.get(letter) === 1).toSorted();
}

/** Writes an equation. */
export const einsumEquation = ({ inputs, output }: Einsum): string =>
  `${inputs.map((letters) => letters.join('')).join(',')}->${output.join('')}`;

/** Whether an equation has neither an ellipsis nor a letter twice in one term. */
export function isPlain(text: string): boolean {
  const equation = parseEinsum(text);
  return (
    equation !== undefined && equation.inputs.every((letters) => new Set(letters).size === letters.length)
  );
}

const ellipsis = '...';
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('');

/**
 * An equation with letters in place of its ellipses, which all stand for the same axes.
 *
 * @param ranks - of the inputs
 */
export function withoutEllipsis(text: string, ranks: readonly number[]): string {
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
