/**
 * Reads comma-separated values (RFC 4180): fields may stand in double quotes, and then hold commas, line breaks and
 * doubled quotes; spaces around the quotes are dropped. Semicolons or tabs separate the fields where the first line has
 * more of them than commas outside of quotes. Lines without a character are skipped.
 *
 * @param {string} text
 * @returns {{ line: number, fields: string[] }[]} the rows, each with the line of the file that it begins in
 * @throws Error with a line number, if a quote is not closed or a row has another number of fields than the first
 */
export function readCSV(text) {
  const separator = separatorOf(text);
  const blanks = separator === '\t' ? ' *' : String.raw`[ \t]*`;
  /** @type {{ line: number, fields: string[] }[]} */
  const rows = [];
  const pattern = new RegExp(
    String.raw`(?:${blanks}"((?:[^"]|"")*)"${blanks}|([^"${separator}\r\n]*))(${separator}|\r\n|\n|\r|$)`,
    'y',
  );
  /** @type {string[]} */
  let fields = [];
  let line = 1;
  let start = 1;
  pattern.lastIndex = text.startsWith('\ufeff') ? 1 : 0;
  while (pattern.lastIndex < text.length || fields.length > 0) {
    const found = pattern.exec(text);
    if (!found)
      throw new Error(`line ${line}: a quoted field is not closed, or is followed by other characters`);
    const [whole, quoted, plain, end] = found;
    fields.push(quoted?.replaceAll('""', '"') ?? plain.trim());
    if (end === separator) {
      line += breaksIn(whole);
      if (pattern.lastIndex >= text.length) fields.push(''); // the file ends in an empty field
      else continue;
    }
    if (fields.length > 1 || fields[0] !== '' || quoted !== undefined) rows.push({ line: start, fields });
    fields = [];
    if (end !== separator) line += breaksIn(whole);
    start = line;
  }
  const width = rows[0]?.fields.length ?? 0;
  const odd = rows.find((row) => row.fields.length !== width);
  if (odd) throw new Error(`line ${odd.line} has ${odd.fields.length} fields; the first row has ${width}`);
  return rows;
}

/**
 * The separator of a text, by its first line that is not empty.
 *
 * @param {string} text
 */
export function separatorOf(text) {
  // A line may break within quotes.
  const [line = ''] = /(?:"(?:[^"]|"")*"|[^"\r\n])+/.exec(text) ?? [];
  const first = line.replaceAll(/"(?:[^"]|"")*"/g, '');
  const counts = [',', ';', '\t'].map((separator) => first.split(separator).length);
  return [',', ';', '\t'][counts.indexOf(Math.max(...counts))];
}

/** @param {string} text */
const breaksIn = (text) => text.match(/\r\n|\n|\r/g)?.length ?? 0;

/**
 * A field as a number; NaN for other text.
 *
 * @param {string} field
 * @param {string} [decimal] - decimal mark, '.' or ','
 */
export const numberOf = (field, decimal = '.') =>
  field === '' ? NaN : Number(decimal === ',' && !field.includes('.') ? field.replace(',', '.') : field);

/**
 * The decimal mark of rows: a comma where commas do not separate the fields, some numbers have one, and none has a point.
 *
 * @param {readonly { fields: readonly string[] }[]} rows
 * @param {string} separator
 * @returns {{ mark: '.' | ',', isSure: boolean }} not sure where each comma may separate thousands
 */
export function decimalMarkOf(rows, separator) {
  let [hasComma, isSure] = [false, false];
  if (separator === ',') return { mark: '.', isSure: true };
  for (const { fields } of rows) {
    for (const field of fields) {
      if (/^[+-]?\d*\.\d*(?:e[+-]?\d+)?$/i.test(field)) return { mark: '.', isSure: true };
      if (!/^[+-]?(?:\d+,\d*|,\d+)(?:e[+-]?\d+)?$/i.test(field)) continue;
      hasComma = true;
      isSure ||= !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(field);
    }
  }
  return hasComma ? { mark: ',', isSure } : { mark: '.', isSure: true };
}
