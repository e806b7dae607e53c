/** @import { Column } from './predictions.js' */
/** @import { Recipe } from './recipe.js' */
/** @import { Table } from './table.js' */

/**
 * Compares predictions with the target, where the table holds that too: share of right classes, or root mean square error
 * and R² over all targets.
 *
 * @param {Table} table
 * @param {readonly Column[]} columns
 * @param {Recipe['target']} target
 * @returns {{ accuracy?: number, rmse?: number, rSquared?: number } | undefined} undefined where a target is missing
 */
export function agreement(table, columns, target) {
  if (target === undefined || !target.columns.every((name) => table.names.includes(name))) return undefined;
  const predicted = target.columns.map((name) =>
    columns.find((column) => column.name === `predicted_${name}`),
  );
  if (!predicted.every((column) => column !== undefined)) return undefined;
  const isOfClasses = columns.some(({ name }) => name.startsWith('probability_'));
  try {
    if (isOfClasses) return { accuracy: shareOf(table, target.columns[0], predicted[0]) };
    return errorOf(table, target.columns, predicted);
  } catch {
    return undefined; // a value of the target is missing
  }
}

/** @type {(table: Table, name: string, column: Column) => number} */
function shareOf(table, name, { values }) {
  const words = table.texts(name) ?? Array.from(table.numbers([name]).data);
  return values.filter((value, i) => String(value) === String(words[i])).length / values.length;
}

/** @type {(table: Table, names: readonly string[], columns: readonly Column[]) => { rmse: number, rSquared: number }} */
function errorOf(table, names, columns) {
  let [residual, spread] = [0, 0];
  for (const [k, name] of names.entries()) {
    const { data } = table.numbers([name]);
    const mean = Array.from(data).reduce((a, b) => a + b, 0) / data.length;
    for (let i = 0; i < data.length; i++) {
      residual += (data[i] - Number(columns[k].values[i])) ** 2;
      spread += (data[i] - mean) ** 2;
    }
  }
  return { rmse: Math.sqrt(residual / (names.length * table.samples)), rSquared: 1 - residual / spread };
}
