// Columns of a .csv.
import { BadInput, shortened } from './badInput.js';
import { decimalMarkOf, numberOf, readCSV, separatorOf } from './csv.js';
import { namesIn } from './names.js';

/** @import { Reading, Table } from './table.js' */

/** @typedef {{ line: number, fields: readonly string[] }} Row */

/**
 * The columns of a .csv; those without a name, and those to be ignored, are left out.
 *
 * @param {string} path
 * @param {string} text
 * @param {Reading} reading
 * @returns {Table}
 */
export function columns(path, text, { header, decimal, skipsMissing = false, ignored, needed, isEncodable }) {
  const rows = readCSV(text);
  if (rows.length === 0) throw new BadInput(`${path}: it is empty.`);
  const first = rows[0].fields;
  const looksNumeric = first.every((field) => Number.isFinite(numberOf(field)));
  if (header === undefined && looksNumeric) {
    throw new BadInput(
      `${path}: the first row holds only numbers. Pass --no-header if it is a sample; its columns are then named 1 to ${first.length}. Pass --header if it names the columns.`,
    );
  }
  const isHeader = header ?? true;
  const names = isHeader ? first : first.map((_, i) => String(i + 1));
  const places = placesOf(path, names);
  if (places.size < names.length) tellNameless(path, names);
  if (ignored !== undefined)
    for (const name of namesIn({ path, names: [...places.keys()] }, ignored, '--ignore')) places.delete(name);
  const named = [...places.keys()];
  const body = isHeader ? rows.slice(1) : rows;
  const separator = separatorOf(text);
  const mark = decimal ?? decimalMark(path, body, separator);
  const watched = needed?.({ path, names: named })?.filter((name) => places.has(name)) ?? named;
  const place = (/** @type {string} */ name) => placeIn(path, places, name);
  const samples = skipsMissing ? withoutMissing(path, body, watched.map(place)) : body;
  if (samples.length === 0)
    throw new BadInput(
      `${path}: it holds names but no samples${skipsMissing ? ' without a missing value' : ''}.`,
    );
  const isSomeWord = (/** @type {Row} */ { fields }, /** @type {string} */ name) =>
    isWord(fields[place(name)], mark);
  return {
    path,
    names: named,
    samples: samples.length,
    text: { names, rows: samples.map(({ fields }) => fields), separator, mark },
    lineOf: (row) => samples[row].line,
    numbers: (wanted) =>
      numbersIn(path, samples, wanted.map(place), names, { mark, isEncodable: isEncodable ?? false }),
    texts: (name) => textsIn(path, samples, place(name), name),
    words: (name) =>
      samples.some((row) => isSomeWord(row, name)) ? textsIn(path, samples, place(name), name) : undefined,
    holdsOnlyWords: (name) =>
      samples.some((row) => isSomeWord(row, name)) &&
      samples.every((row) => isMissing(row.fields[place(name)]) || isSomeWord(row, name)),
  };
}

/** @type {(path: string, places: ReadonlyMap<string, number>, name: string) => number} */
function placeIn(path, places, name) {
  const found = places.get(name);
  if (found !== undefined) return found;
  throw new BadInput(
    `${path} has no column ${JSON.stringify(name)}; there are ${shortened([...places.keys()])}.`,
  );
}

/**
 * The fields of a column.
 *
 * @param {string} path
 * @param {readonly Row[]} samples
 * @param {number} column
 * @param {string} name
 * @throws BadInput naming the line of a missing value
 */
function textsIn(path, samples, column, name) {
  const hole = samples.find(({ fields }) => isMissing(fields[column]));
  if (hole) throw new BadInput(noWord(path, hole.line, name, hole.fields[column]));
  return samples.map(({ fields }) => fields[column]);
}

/**
 * Numbers of columns side by side.
 *
 * @param {string} path
 * @param {readonly Row[]} samples
 * @param {readonly number[]} at - columns
 * @param {readonly string[]} names
 * @param {{ mark: string, isEncodable: boolean }} reading - decimal mark; whether --categories may be advised
 */
function numbersIn(path, samples, at, names, { mark, isEncodable }) {
  const data = new Float64Array(samples.length * at.length);
  for (const [row, { line, fields }] of samples.entries()) {
    for (const [i, column] of at.entries()) {
      const value = numberOf(fields[column], mark);
      if (!Number.isFinite(value))
        throw new BadInput(noNumber(path, line, names[column], fields[column], isEncodable));
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
      `${path}: commas in numbers may be decimal marks or separate thousands. Pass --decimal comma, or remove them.`,
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
  }, where the others name classes or categories; fill it, or leave out such rows with --skip-missing.`;

/** @type {(path: string, line: number, name: string, field: string, isEncodable: boolean) => string} */
const noNumber = (path, line, name, field, isEncodable) =>
  `${path}: line ${line}, column ${JSON.stringify(name)}: ${
    field === '' ? 'the field is empty' : `${JSON.stringify(field)} is not a number`
  }; ${isMissing(field) ? 'fill it, leave out such rows with --skip-missing,' : 'change it, drop the row,'} ${
    isEncodable && !isMissing(field) ? `encode the column with --categories ${name}, ` : ''
  }or leave it out with --ignore ${name}.`;
