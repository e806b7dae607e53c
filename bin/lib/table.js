// A file of samples: columns of a .csv, or arrays of an .npz.
import { readFile } from 'node:fs/promises';
import { BadInput, messageOf, shortened } from './badInput.js';
import { numberOf, readCSV } from './csv.js';
import { readNPZ } from './npz.js';

/**
 * Numbers for every sample, `[samples, …]`.
 *
 * @typedef {{ data: ArrayLike<number>, dims: readonly number[] }} Samples
 */

/**
 * @typedef {object} Table
 * @property {string} path
 * @property {readonly string[]} names - of the columns or arrays
 * @property {number} samples
 * @property {(names: readonly string[]) => Samples} numbers - columns side by side, `[samples, columns]`, or one array
 * @property {(name: string) => readonly string[] | undefined} words - a column in which a field is no number
 */

/**
 * Reads a table by the ending of its name.
 *
 * @param {string} path
 * @param {boolean | undefined} header - whether a .csv begins with names; undefined if the file is to tell
 * @param {string} [option] - that names the file
 * @returns {Promise<Table>}
 */
export async function readTable(path, header, option = '--data') {
  const ending = /\.(csv|tsv|txt|npz)$/i.exec(path)?.[1].toLowerCase();
  if (ending === undefined) throw new BadInput(`${option}: ${path} must end in .csv, .tsv, .txt or .npz.`);
  const bytes = await fileAt(path, option);
  try {
    return ending === 'npz' ? arrays(path, bytes) : columns(path, textOf(bytes), header);
  } catch (error) {
    if (error instanceof BadInput || !(error instanceof Error)) throw error;
    throw new BadInput(`${path}: ${error.message.replace(/\.$/, '')}.`, { cause: error });
  }
}

/**
 * The text in a file: UTF-16 where a byte order mark says so, as spreadsheets write it, else UTF-8.
 *
 * @param {Uint8Array} bytes
 */
function textOf(bytes) {
  const [first, second] = bytes;
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!isUtf16) return new TextDecoder().decode(bytes);
  return new TextDecoder(first === 0xff ? 'utf-16le' : 'utf-16be').decode(bytes);
}

/**
 * The bytes of a file.
 *
 * @param {string} path
 * @param {string} role - the option or argument that names it
 */
export async function fileAt(path, role) {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reason = code === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new BadInput(`${role}: ${path}: ${reason}.`, { cause: error });
  }
}

/**
 * @param {string} path
 * @param {string} text
 * @param {boolean | undefined} header
 * @returns {Table}
 */
function columns(path, text, header) {
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
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new BadInput(
      `${path}: two columns are called ${JSON.stringify(twice)}; each needs a name of its own.`,
    );
  const samples = isHeader ? rows.slice(1) : rows;
  if (samples.length === 0) throw new BadInput(`${path}: it holds names but no samples.`);
  return {
    path,
    names,
    samples: samples.length,
    numbers(wanted) {
      const at = wanted.map((name) => names.indexOf(name));
      const data = new Float64Array(samples.length * at.length);
      for (const [row, { line, fields }] of samples.entries()) {
        for (const [i, column] of at.entries()) {
          const value = numberOf(fields[column]);
          if (!Number.isFinite(value))
            throw new BadInput(noNumber(path, line, names[column], fields[column]));
          data[row * at.length + i] = value;
        }
      }
      return { data, dims: [samples.length, at.length] };
    },
    words(name) {
      const column = names.indexOf(name);
      if (!samples.some(({ fields }) => isWord(fields[column]))) return undefined;
      const hole = samples.find(({ fields }) => isMissing(fields[column]));
      if (hole) throw new BadInput(noWord(path, hole.line, name, hole.fields[column]));
      return samples.map(({ fields }) => fields[column]);
    },
  };
}

/** Fields that stand for a missing value in tables of R, pandas and spreadsheets. */
const missing = new Set(['', 'NA', 'N/A', '#N/A', '<NA>', 'NaN', 'nan', 'NAN', 'NULL', 'null']);
const isMissing = (/** @type {string} */ field) => missing.has(field.trim());
const isWord = (/** @type {string} */ field) => !isMissing(field) && Number.isNaN(Number(field));

/** @type {(path: string, line: number, name: string, field: string) => string} */
const noWord = (path, line, name, field) =>
  `${path}: line ${line}, column ${JSON.stringify(name)}: ${
    field === '' ? 'the field is empty' : `${JSON.stringify(field)} stands for a missing value`
  }, where the others name classes; fill it or drop the row.`;

/** @type {(path: string, line: number, name: string, field: string) => string} */
const noNumber = (path, line, name, field) =>
  `${path}: line ${line}, column ${JSON.stringify(name)}: ${
    field === '' ? 'the field is empty' : `${JSON.stringify(field)} is no number`
  }; fill it, drop the row, or choose other columns with --input.`;

/**
 * @param {string} path
 * @param {Uint8Array} bytes
 * @returns {Table}
 */
function arrays(path, bytes) {
  const found = readNPZ(bytes);
  const names = [...found.keys()];
  // Single numbers, such as notes on the data, are passed over.
  const first = names.find((name) => found.get(name)?.shape.length !== 0) ?? '';
  const samples = found.get(first)?.shape[0] ?? 0;
  if (samples === 0) throw new BadInput(`${path}: its first array holds no samples.`);
  return {
    path,
    names,
    samples,
    numbers(wanted) {
      if (wanted.length !== 1)
        throw new BadInput(`${path}: one array is expected for an input, got ${shortened(wanted)}.`);
      const { data, shape } = found.get(wanted[0]) ?? { data: [], shape: [] };
      if (shape[0] !== samples) {
        throw new BadInput(
          `${path}: ${JSON.stringify(wanted[0])} has shape [${shape.join(', ')}], but ${JSON.stringify(first)} holds ${samples} samples along its first axis.`,
        );
      }
      return { data, dims: shape };
    },
    words: () => undefined,
  };
}

/**
 * Names as the user wrote them: separated by commas, `a..b` for all from a to b in the order of the file.
 *
 * @param {Table} table
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
