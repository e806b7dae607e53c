// Names of columns or arrays, as the user writes them.
import { BadInput, shortened } from './badInput.js';

/**
 * Names as the user wrote them: separated by commas, `a..b` for all from a to b in the order of the file.
 *
 * @param {{ path: string, names: readonly string[] }} table
 * @param {string} written
 * @param {string} option
 */
export function namesIn(table, written, option) {
  const known = (/** @type {string} */ name) => {
    const at = table.names.indexOf(name);
    if (at >= 0) return at;
    throw new BadInput(
      `${option}: ${table.path} has no ${JSON.stringify(name)}; there are ${shortened(table.names)}.`,
    );
  };
  if (table.names.includes(written)) return [written];
  const names = written.split(',').flatMap((part) => {
    const name = part.trim();
    const [from, to] = table.names.includes(name) ? [name] : name.split('..');
    if (to === undefined) return [table.names[known(from)]];
    const [first, last] = [known(from), known(to)];
    if (first > last) throw new BadInput(`${option}: ${from} comes after ${to} in ${table.path}.`);
    return table.names.slice(first, last + 1);
  });
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new BadInput(`${option}: ${JSON.stringify(twice)} is named twice.`);
  return names;
}
