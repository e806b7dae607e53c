/** @param {readonly number[]} values - all > 0 */
export function geometricMean(values) {
  let sum = 0;
  for (const value of values) sum += Math.log(value);
  return Math.exp(sum / values.length);
}
