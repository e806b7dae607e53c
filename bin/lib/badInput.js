/** A mistake in what the command was given: shown as a sentence, without a stack; exit code 2. */
export class BadInput extends Error {
  /** @override */
  name = 'BadInput';
}

/**
 * The first names of a long list, and the number of the others.
 *
 * @param {readonly string[]} names
 * @param {number} [most]
 */
export function shortened(names, most = 12) {
  if (names.length <= most) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/**
 * What an error says.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));
