import { gridData } from './fromGrid.ts';
import type { LandscapeData } from '../grid/data.ts';

/** Names of columns with a fixed meaning. */
const reserved = new Set(['x', 'y', 'loss', 'done']);

/**
 * Writes a landscape as CSV: one row per point, with the columns x, y, loss and the metrics. If not all
 * points were evaluated, a column `done` is added: 1 for evaluated, 2 for predicted by an adaptive grid, 0
 * for neither.
 *
 * @throws RangeError if a metric has the name of one of these columns
 */
export function landscapeToCSV({ x, y, z, metrics, done }: LandscapeData): string {
  const names = Object.keys(metrics);
  const taken = names.find((name) => reserved.has(name));
  if (taken !== undefined) {
    throw new RangeError(
      `landscapeToCSV: a metric is called ${taken}, which is the name of another column; rename the metric.`,
    );
  }
  const marks = done.some((mark) => mark !== 1);
  const rows = Array.from(z, (loss, cell) =>
    [
      x[cell % x.length],
      y[Math.floor(cell / x.length)],
      loss,
      ...(marks ? [done[cell]] : []),
      ...names.map((name) => metrics[name][cell]),
    ].join(','),
  );
  const header = ['x', 'y', 'loss', ...(marks ? ['done'] : []), ...names];
  return [header.map(quoted).join(','), ...rows, ''].join('\n');
}

const quoted = (name: string) => (/[",\r\n]|^\s|\s$/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

/**
 * Reads a landscape from CSV: a header with `x`, `y` and at least one more column, then one row for each
 * point of an evenly spaced grid, in any order. The first further column is the loss, others are metrics; an
 * empty field is NaN. A column `done` is that of {@link landscapeToCSV}. A first column without a name, such as the
 * row numbers of pandas, is skipped.
 *
 * @throws TypeError if the header or a number is wrong, with its line
 * @throws RangeError if the points do not form an evenly spaced grid, each point once
 */
export function landscapeFromCSV(text: string): LandscapeData {
  const { header, lines } = linesOf(text);
  const names = fieldsOf(header);
  const [atX, atY] = [names.indexOf('x'), names.indexOf('y')];
  const atDone = names.indexOf('done');
  const others = names.flatMap((name, k) =>
    [atX, atY, atDone].includes(k) || (k === 0 && name === '') ? [] : [{ name, k }],
  );
  if (atX < 0 || atY < 0 || others.length === 0) {
    throw new TypeError(`landscapeFromCSV: the header must name x, y and a column of values; got ${header}.`);
  }
  const points = lines.map(({ line, number }) => numbersOf(line, number, names.length));
  const badMark = atDone < 0 ? -1 : points.findIndex((point) => ![0, 1, 2].includes(point[atDone]));
  if (badMark >= 0) {
    throw new TypeError(
      `landscapeFromCSV: line ${lines[badMark].number}: done must be 0, 1 or 2, got ${points[badMark][atDone]}.`,
    );
  }
  const x = distinct(points.map((point) => point[atX]));
  const y = distinct(points.map((point) => point[atY]));
  if (points.length !== x.length * y.length) {
    throw new RangeError(
      `landscapeFromCSV: there are ${points.length} points; a grid of ${x.length} different x and ${y.length} different y has ${x.length * y.length}.`,
    );
  }
  const [columnOf, rowOf] = [x, y].map((values) => new Map(values.map((value, i) => [value, i])));
  const tables = others.map(() => new Float64Array(points.length));
  const seen = new Uint8Array(points.length);
  const done = new Uint8Array(points.length).fill(1);
  for (const point of points) {
    const cell = (rowOf.get(point[atY]) ?? 0) * x.length + (columnOf.get(point[atX]) ?? 0);
    if (seen[cell]++ > 0)
      throw new RangeError(`landscapeFromCSV: the point (${point[atX]}, ${point[atY]}) occurs twice.`);
    if (atDone >= 0) done[cell] = point[atDone];
    others.forEach(({ k }, column) => (tables[column][cell] = point[k]));
  }
  const [z, ...rest] = tables;
  const metrics = Object.fromEntries(rest.map((table, k) => [others[k + 1].name, table]));
  return { ...gridData('landscapeFromCSV', { x, y, z, metrics }), done };
}

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b);

/** Returns the header, in whose quotes lines may break, and the other lines that are not blank, with their numbers. */
function linesOf(text: string) {
  const body = text.trimStart();
  const [header = ''] = /^(?:"(?:[^"]|"")*"|[^"\r\n])+/.exec(body) ?? [];
  const breaks = /\r\n|\n|\r/;
  // The number of the last line of the header.
  const first = text.slice(0, text.length - body.length + header.length).split(breaks).length;
  const lines = body
    .slice(header.length)
    .split(breaks)
    .map((line, k) => ({ line, number: first + k }))
    .filter(({ line }) => line.trim() !== '');
  return { header, lines };
}

/** Returns the fields of a line, without quotes. */
const fieldsOf = (line: string): string[] =>
  [...`,${line}`.matchAll(/,(?:\s*"((?:[^"]|"")*)"\s*|([^,]*))/g)].map(
    ([, inQuotes, plain]) => inQuotes?.replaceAll('""', '"') ?? (plain ?? '').trim(),
  );

function numbersOf(line: string, number: number, count: number): number[] {
  const fields = fieldsOf(line);
  if (fields.length !== count) {
    throw new TypeError(`landscapeFromCSV: line ${number} has ${fields.length} fields for ${count} columns.`);
  }
  return fields.map((field) => {
    const value =
      field === '' || /^nan$/i.test(field) ? NaN : Number(field.replace(/^([+-]?)inf$/i, '$1Infinity'));
    if (Number.isNaN(value) && field !== '' && !/^nan$/i.test(field)) {
      throw new TypeError(`landscapeFromCSV: line ${number}: ${JSON.stringify(field)} is not a number.`);
    }
    return value;
  });
}
