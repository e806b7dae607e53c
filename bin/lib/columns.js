// Columns of a .csv.
import { BadInput } from './badInput.js';
import { decimalMarkOf, numberOf, readCSV, separatorOf } from './csv.js';

/** @import { Reading, Table } from './table.js' */

/** @typedef {{ line: number, fields: readonly string[] }} Row */

/**
 * The columns of a .csv; those without a name are left out.
 *
 * @param {string} path
 * @param {string} text
 * @param {Reading} reading
 * @returns {Table}
 */
export function columns(path, text, { header, decimal, skipsMissing = false }) {
  const rows = readCSV(text);
  if (rows.length === 0) throw new BadInput(`${path}: it is empty.`);
  const first = rows[0].fields;
  const looksNumeric = first.every((field) => Number.isFinite(numberOf(field)));
  if (header === undefined && looksNumeric) {
    throw new BadInput(
      `${path}: the first row holds only numbers. Say --no-header if it is a sample; its columns are then called 1 to ${first.length}. Say --header if it names the columns.`,
    );
  }
  const isHeader = header ?? true;
  const names = isHeader ? first : first.map((_, i) => String(i + 1));
  const places = placesOf(path, names);
  const named = [...places.keys()];
  if (named.length < names.length) tellNameless(path, names);
  const body = isHeader ? rows.slice(1) : rows;
  const mark = decimal ?? decimalMark(path, body, separatorOf(text));
  const samples = skipsMissing ? withoutMissing(path, body, [...places.values()]) : body;
  if (samples.length === 0)
    throw new BadInput(
      `${path}: it holds names but no samples${skipsMissing ? ' without a missing value' : ''}.`,
    );
  const place = (/** @type {string} */ name) => places.get(name) ?? -1;
  return {
    path,
    names: named,
    samples: samples.length,
    numbers: (wanted) => numbersIn(path, samples, wanted.map(place), names, mark),
    words(name) {
      const column = place(name);
      if (!samples.some(({ fields }) => isWord(fields[column], mark))) return undefined;
      const hole = samples.find(({ fields }) => isMissing(fields[column]));
      if (hole) throw new BadInput(noWord(path, hole.line, name, hole.fields[column]));
      return samples.map(({ fields }) => fields[column]);
    },
  };
}

/**
 * Numbers of columns side by side.
 *
 * @param {string} path
 * @param {readonly Row[]} samples
 * @param {readonly number[]} at - columns
 * @param {readonly string[]} names
 * @param {string} mark - decimal mark
 */
function numbersIn(path, samples, at, names, mark) {
  const data = new Float64Array(samples.length * at.length);
  for (const [row, { line, fields }] of samples.entries()) {
    for (const [i, column] of at.entries()) {
      const value = numberOf(fields[column], mark);
      if (!Number.isFinite(value)) throw new BadInput(noNumber(path, line, names[column], fields[column]));
      data[row * at.length + i] = value;
    }
  }
  return { data, dims: [samples.length, at.length] };
}

/**
 * Columns by name.
 *
 * @param {string} path
 * @param {readonly string[]} names
 */
function placesOf(path, names) {
  /** @type {Map<string, number>} */
  const places = new Map();
  for (const [i, name] of names.entries()) {
    if (name === '') continue;
    if (places.has(name))
      throw new BadInput(
        `${path}: two columns are called ${JSON.stringify(name)}; each needs a name of its own.`,
      );
    places.set(name, i);
  }
  return places;
}

/** @type {(path: string, names: readonly string[]) => void} */
function tellNameless(path, names) {
  const places = names.flatMap((name, i) => (name === '' ? [i + 1] : [])).join(', ');
  console.error(`${path}: left out for want of a name: column ${places}.`);
}

/**
 * The decimal mark of a table that does not tell it otherwise.
 *
 * @param {string} path
 * @param {readonly Row[]} rows
 * @param {string} separator
 */
function decimalMark(path, rows, separator) {
  const { mark, isSure } = decimalMarkOf(rows, separator);
  if (!isSure)
    throw new BadInput(
      `${path}: commas in numbers may be decimal marks or separate thousands. Say --decimal comma, or remove them.`,
    );
  return mark;
}

/**
 * Rows without a missing value in these columns.
 *
 * @param {string} path
 * @param {readonly Row[]} rows
 * @param {readonly number[]} places
 */
function withoutMissing(path, rows, places) {
  const kept = rows.filter(({ fields }) => places.every((column) => !isMissing(fields[column])));
  if (kept.length < rows.length)
    console.error(
      `${path}: left out for a missing value: ${rows.length - kept.length} of ${rows.length} rows.`,
    );
  return kept;
}

/** Fields that stand for a missing value in tables of R, pandas and spreadsheets. */
const missing = new Set(['', 'NA', 'N/A', '#N/A', '<NA>', 'NaN', 'nan', 'NAN', 'NULL', 'null']);
const isMissing = (/** @type {string} */ field) => missing.has(field.trim());
const isWord = (/** @type {string} */ field, /** @type {string} */ mark) =>
  !isMissing(field) && Number.isNaN(numberOf(field, mark));

/** @type {(path: string, line: number, name: string, field: string) => string} */
const noWord = (path, line, name, field) =>
  `${path}: line ${line}, column ${JSON.stringify(name)}: ${
    field === '' ? 'the field is empty' : `${JSON.stringify(field)} stands for a missing value`
  }, where the others name classes; fill it, or leave out such rows with --skip-missing.`;

/** @type {(path: string, line: number, name: string, field: string) => string} */
const noNumber = (path, line, name, field) =>
  `${path}: line ${line}, column ${JSON.stringify(name)}: ${
    field === '' ? 'the field is empty' : `${JSON.stringify(field)} is not a number`
  }; ${isMissing(field) ? 'fill it, leave out such rows with --skip-missing,' : 'change it, drop the row,'} or choose other columns with --input.`;
