/**
 * The unconstrained problems of Moré, Garbow & Hillstrom (1981), Testing unconstrained optimization software,
 * ACM TOMS 7(1), doi:10.1145/355934.355936: all 35, with their standard starts and published minima.
 *
 * @module
 */
import * as any from './anyDimension.js';
import * as data from './dataFitting.js';
import * as few from './fewVariables.js';
import { sumOfSquares } from './residualProblem.js';

/** @type {Readonly<Record<string, import('./residualProblem.js').ResidualProblem>>} */
const entries = {
  mgh01_rosenbrock: few.rosenbrock,
  mgh02_freudenstein_roth: few.freudensteinRoth,
  mgh03_powell_badly_scaled: few.powellBadlyScaled,
  mgh04_brown_badly_scaled: few.brownBadlyScaled,
  mgh05_beale: few.beale,
  mgh06_jennrich_sampson: few.jennrichSampson,
  mgh07_helical_valley: few.helicalValley,
  mgh08_bard: data.bard,
  mgh09_gaussian: few.gaussian,
  mgh10_meyer: data.meyer,
  mgh11_gulf: few.gulf,
  mgh12_box3d: few.box3d,
  mgh13_powell_singular: few.powellSingular,
  mgh14_wood: few.wood,
  mgh15_kowalik_osborne: data.kowalikOsborne,
  mgh16_brown_dennis: few.brownDennis,
  mgh17_osborne1: data.osborne1,
  mgh18_biggs_exp6: data.biggsExp6,
  mgh19_osborne2: data.osborne2,
  mgh20_watson_6: any.watson(6, 2.2876700536e-3),
  mgh20_watson_9: any.watson(9, 1.3997601381e-6),
  mgh20_watson_12: any.watson(12, 4.7223811063e-10),
  mgh21_ext_rosenbrock_10: any.extendedRosenbrock(10),
  mgh22_ext_powell_12: any.extendedPowell(12),
  mgh23_penalty1_4: any.penalty1(4, 2.2499775009e-5),
  mgh23_penalty1_10: any.penalty1(10, 7.0876514671e-5),
  mgh24_penalty2_4: any.penalty2(4, 9.3762930074e-6),
  mgh24_penalty2_10: any.penalty2(10, 2.9366053746e-4),
  mgh25_var_dim_10: any.variablyDimensioned(10),
  mgh26_trigonometric_10: any.trigonometric(10),
  mgh27_brown_almost_linear_10: any.brownAlmostLinear(10),
  mgh28_discrete_bv_10: any.discreteBoundaryValue(10),
  mgh29_discrete_ie_10: any.discreteIntegral(10),
  mgh30_broyden_tri_10: any.broydenTridiagonal(10),
  mgh31_broyden_band_10: any.broydenBanded(10),
  mgh32_linear_full_rank_10: any.linearFullRank(10, 10),
  mgh33_linear_rank1_10: any.linearRank1(10, 10),
  mgh34_linear_rank1_zero_10: any.linearRank1Zero(10, 10),
  mgh35_chebyquad_7: any.chebyquad(7, [0]),
  mgh35_chebyquad_8: any.chebyquad(8, [3.5168737257e-3]),
  mgh35_chebyquad_9: any.chebyquad(9, [0]),
  mgh35_chebyquad_10: any.chebyquad(10, [4.77271e-3, 6.5039548009e-3]),
};

/** The 42 entries, each a problem and its residuals, under the names of the peers' counts. */
export const mgh = Object.entries(entries).map(([name, entry]) => {
  const p0 = Float64Array.from(entry.start);
  return Object.assign({ name, p0, fg: sumOfSquares(entry) }, entry);
});
