// Calibrates a differential equation: how fast hares multiply and lynxes hunt them, from the pelts that trappers sold in 21
// years. Prints the rates with their errors beside those that others have found by sampling, and a forecast. Writes
// out/hares.svg and out/lynxes.svg: counts, the solution, and its bands. Needs nothing but quasi-newton.
import { curveFit } from 'quasi-newton';
import { fitPlot } from 'quasi-newton/landscape';
import { logsAt, observations, pelts, published, start } from './lib/populations.js';
import { printTable, saveFigure } from './lib/report.js';

const { points, logs } = observations;
const fit = curveFit(logsAt, points, logs, start, { vectorized: true });
console.log(`${String(fit)}\n`);

printTable(
  ['rate per year', 'here', '±', 'Stan', '±'],
  Object.entries(published).map(([name, [mean, deviation]]) => {
    const at = fit.names.findIndex((other) => other === name);
    return [name, fit.x[at].toPrecision(3), fit.standardErrors[at].toPrecision(2), mean, deviation];
  }),
);

// Without linearizing: how far the birth rate may move, all others refitted, until the fit gets worse.
if (process.env.QUICK !== '1') {
  const { lower, upper } = fit.profile(0.95, ['birth']).birth;
  console.log(`\nBirth rate, 95 %: ${lower.toFixed(3)} to ${upper.toFixed(3)}, by the likelihood itself.`);
}

/** @typedef {{ lower: Float64Array, upper: Float64Array }} Band */
const exp = (/** @type {ArrayLike<number>} */ list) => Float64Array.from(list, Math.exp);
const inThousands = (/** @type {Band} */ { lower, upper }) => ({ lower: exp(lower), upper: exp(upper) });

/** @type {{ hares: number, lynxes: number }} */
const animals = { hares: 0, lynxes: 1 };
for (const [name, animal] of Object.entries(animals)) {
  const counts = Float64Array.from(name === 'hares' ? pelts.hares : pelts.lynxes);
  const predict = (
    /** @type {ArrayLike<number>} */ years,
    /** @type {{ level?: number }} */ options = {},
  ) => {
    const asked = Array.from(years, (year) => [year - pelts.first, animal]);
    const { values, confidence, prediction } = fit.predict(asked, options);
    return {
      values: exp(values),
      confidence: inThousands(confidence),
      prediction: prediction && inThousands(prediction),
    };
  };
  const years = Array.from(counts, (_, i) => pelts.first + i);
  const curve = {
    points: years,
    y: counts,
    fitted: predict(years).values,
    sigma: counts.map(() => 1),
    predict,
  };
  const next = predict([1925, 1930]);
  console.log(
    `\n${name} in 1925: ${next.values[0].toFixed(0)} thousand, 95 % of the counts from ${next.prediction?.lower[0].toFixed(0)} to ${next.prediction?.upper[0].toFixed(0)}`,
  );
  saveFigure(`${name}.svg`, fitPlot(curve, { title: name, xlabel: 'year', ylabel: `thousands of ${name}` }));
}
