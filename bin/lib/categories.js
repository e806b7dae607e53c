// Columns of words as numbers: one for each category, 1 in the rows that name it and 0 elsewhere.
import { BadInput, shortened } from './badInput.js';

/** @import { Samples, Table } from './table.js' */

/**
 * A column that a model reads; with categories, as one number for each of them.
 *
 * @typedef {{ column: string, categories?: readonly string[] }} Source
 */

/** Most categories of a column that is encoded without being named in --categories. */
const MOST = 100;
/** From here on, a column in which most words differ is taken for names, not for categories. */
const FEW = 10;

/**
 * Columns as a model is to read them: those of words become categories, and so do those that the user names.
 *
 * @param {Table} table
 * @param {readonly string[]} names
 * @param {readonly string[] | undefined} named - by --categories; undefined where nothing is to be encoded
 * @returns {readonly Source[]}
 */
export function sourcesOf(table, names, named) {
  if (named === undefined) return names.map((column) => ({ column }));
  return names.map((column) => {
    const isNamed = named.includes(column);
    const found = isNamed || table.holdsOnlyWords(column) ? table.texts(column) : undefined;
    // Such as 1,500 or $3 or 2024-05-01: they are refused where numbers are read.
    const mayBeNumbers = found?.some((word) => /\d/.test(word) && !/\p{L}/u.test(word)) ?? false;
    if (found === undefined || (mayBeNumbers && !isNamed)) return { column };
    const categories = [...new Set(found)].sort();
    const areMany = categories.length > MOST || categories.length > Math.max(FEW, found.length / 2);
    if (areMany && !isNamed)
      throw new BadInput(
        `${table.path}: column ${JSON.stringify(column)} holds ${categories.length} different words (${shortened(categories, 3)}); leave it out with --ignore ${column}, or encode them all with --categories ${column}.`,
      );
    return { column, categories };
  });
}

const isCoded = (/** @type {Source} */ { categories }) => categories !== undefined;

/** Number of numbers that columns become. */
export const widthOf = (/** @type {readonly Source[]} */ sources) =>
  sources.reduce((sum, { categories }) => sum + (categories?.length ?? 1), 0);

/** A name as it stands in a list. */
const word = (/** @type {string} */ text) => (/[,;:"]/.test(text) ? JSON.stringify(text) : text);

/**
 * Columns with their categories, as text; undefined if none has any.
 *
 * @param {readonly Source[]} sources
 */
export function describeCategories(sources) {
  const coded = sources.filter(isCoded);
  if (coded.length === 0) return undefined;
  return coded
    .map(({ column, categories = [] }) => `${word(column)}: ${shortened(categories.map(word), 8)}`)
    .join('; ');
}

/**
 * The numbers that columns become, `[samples, numbers]`; of an archive, its array.
 *
 * @param {Table} table
 * @param {readonly Source[]} sources
 * @returns {Samples}
 * @throws BadInput naming the line of a word that is no category
 */
export function encoded(table, sources) {
  if (!sources.some(isCoded)) return table.numbers(sources.map(({ column }) => column));
  const plain = table.numbers(sources.filter((source) => !isCoded(source)).map(({ column }) => column));
  const count = plain.dims[1];
  const width = widthOf(sources);
  const data = new Float64Array(table.samples * width);
  let [at, next] = [0, 0];
  for (const { column, categories } of sources) {
    if (categories === undefined) {
      for (let row = 0; row < table.samples; row++) data[row * width + at] = plain.data[row * count + next];
      next++;
      at++;
    } else {
      const places = new Map(categories.map((category, i) => [category, i]));
      for (const [row, word] of (table.texts(column) ?? []).entries()) {
        const place = places.get(word);
        if (place === undefined) throw new BadInput(unknown(table, row, column, word, categories));
        data[row * width + at + place] = 1;
      }
      at += categories.length;
    }
  }
  return { data, dims: [table.samples, width] };
}

/** @type {(table: Table, row: number, column: string, word: string, categories: readonly string[]) => string} */
const unknown = (table, row, column, word, categories) =>
  `${table.path}: line ${table.lineOf(row)}, column ${JSON.stringify(column)}: ${JSON.stringify(word)} is not among the categories that the model knows: ${shortened(categories)}. Drop the row, or make a model of a table that has it.`;
