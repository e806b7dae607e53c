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
  const letters = inputs.flat().toSorted();
  // Without an arrow, the output holds in alphabetical order the letters that occur once.
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  return { inputs, output: right?.split('') ?? once };
}

/** Writes an equation. */
export const einsumEquation = ({ inputs, output }: Einsum): string =>
  `${inputs.map((letters) => letters.join('')).join(',')}->${output.join('')}`;
