// A file of samples: columns of a .csv, or arrays of an .npz.
import { readFile } from 'node:fs/promises';
import { BadInput, messageOf, shortened } from './badInput.js';
import { columns } from './columns.js';
import { namesIn } from './names.js';
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
 * @property {(row: number) => number} lineOf - line of the file that a sample begins in
 * @property {(name: string) => readonly string[] | undefined} texts - the fields of a column
 * @property {(name: string) => readonly string[] | undefined} words - the same, if one of them is no number
 * @property {(name: string) => boolean} holdsOnlyWords - true of a column without a number
 * @property {{ names: readonly string[], rows: readonly (readonly string[])[], separator: string, mark: string }} [text] -
 * of a .csv: its columns and samples as they stand there, separator and decimal mark
 */

/**
 * How a .csv is read.
 *
 * @typedef {object} Reading
 * @property {boolean | undefined} header - whether it begins with names; undefined if the file is to tell
 * @property {'.' | ',' | undefined} decimal - decimal mark; undefined if the file is to tell
 * @property {boolean | undefined} skipsMissing - leaves out samples with a missing value
 * @property {string | undefined} [ignored] - names of columns to leave out, as the user wrote them
 * @property {(table: { path: string, names: readonly string[] }) => readonly string[] | undefined} [needed] - the columns
 * in which a missing value counts; by default all
 * @property {boolean} [isEncodable] - true if --categories may be advised
 */

/**
 * How the options of a command say that a .csv is read.
 *
 * @param {Pick<import('./arguments.js').Arguments, 'text' | 'on'>} given
 * @returns {Reading}
 */
export const readingOf = ({ text, on }) => ({
  header: on.header,
  decimal: text.decimal === undefined ? undefined : text.decimal === 'comma' ? ',' : '.',
  skipsMissing: on['skip-missing'],
  ignored: text.ignore,
});

/**
 * Reads a table by the ending of its name.
 *
 * @param {string} path
 * @param {Reading} reading
 * @param {string} [option] - that names the file
 * @returns {Promise<Table>}
 */
export async function readTable(path, reading, option = '--data') {
  const ending = /\.(csv|tsv|txt|npz)$/i.exec(path)?.[1].toLowerCase();
  if (ending === undefined) throw new BadInput(`${option}: ${path} must end in .csv, .tsv, .txt or .npz.`);
  const bytes = await fileAt(path, option);
  try {
    return ending === 'npz' ? arrays(path, bytes, reading) : columns(path, textOf(bytes), reading);
  } catch (error) {
    if (error instanceof BadInput || !(error instanceof Error)) throw error;
    throw new BadInput(`${path}: ${error.message.replace(/\.$/, '')}.`, { cause: error });
  }
}

/**
 * The text in a file: UTF-16 where a byte order mark says so, as spreadsheets write it, else UTF-8, or Windows-1252 where it
 * is not valid UTF-8.
 *
 * @param {Uint8Array} bytes
 */
function textOf(bytes) {
  const [first, second] = bytes;
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!isUtf16) return utf8(bytes) ?? windows1252(bytes);
  return new TextDecoder(first === 0xff ? 'utf-16le' : 'utf-16be').decode(bytes);
}

/** Characters of Windows-1252 from 0x80 to 0x9f; Node 20's own decoder takes them for control characters. */
const specials = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** @param {Uint8Array} bytes */
const windows1252 = (bytes) =>
  Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[\x80-\x9f]/g, (character) => specials[character.charCodeAt(0) - 0x80]);

/** @param {Uint8Array} bytes */
function utf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
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
 * @param {Uint8Array} bytes
 * @param {Reading} reading
 * @returns {Table}
 */
function arrays(path, bytes, { ignored }) {
  const found = readNPZ(bytes);
  if (ignored !== undefined)
    for (const name of namesIn({ path, names: [...found.keys()] }, ignored, '--ignore')) found.delete(name);
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
      const { data, shape } = found.get(wanted[0]) ?? noArray(path, names, wanted[0]);
      if (shape[0] !== samples) {
        throw new BadInput(
          `${path}: ${JSON.stringify(wanted[0])} has shape [${shape.join(', ')}], but ${JSON.stringify(first)} holds ${samples} samples along its first axis.`,
        );
      }
      return { data, dims: shape };
    },
    lineOf: (row) => row,
    texts: () => undefined,
    words: () => undefined,
    holdsOnlyWords: () => false,
  };
}

/** @type {(path: string, names: readonly string[], name: string) => never} */
function noArray(path, names, name) {
  throw new BadInput(`${path} has no array ${JSON.stringify(name)}; there are ${shortened(names)}.`);
}
