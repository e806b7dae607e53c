import { soap } from '../../../solvers/soap.ts';
import { soapRules, type SoapOptions } from '../../../solvers/soapOptions.ts';
import { scheduleOf } from '../../../solvers/schedules.ts';
import { ratedRules, solverOptions, type RatedOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SOAPOptimizer}: those of every optimizer class, and those of `soap`. */
export type SOAPOptimizerOptions = RatedOptions & Omit<SoapOptions, keyof RatedOptions>;

/**
 * SOAP for `model.compile`, for mini-batches: Adam in the eigenbasis of the curvature of each layer.
 *
 * `applyGradients` does not use it and only steps along the gradient. Use `minimize`, as `model.fit` does.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { SOAPOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new SOAPOptimizer({ learningRate: 0.01 });
 * ```
 *
 * @see soap of `quasi-newton`, the underlying solver
 */
export class SOAPOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'SOAPOptimizer';
  }

  constructor(options: SOAPOptimizerOptions = {}) {
    const { learningRate: _, ...rules } = soapRules;
    const own = solverOptions<Omit<SoapOptions, 'learningRate'>>('SOAPOptimizer', options, rules, ratedRules);
    const rate = { value: options.learningRate ?? DEFAULT_RATE };
    super(soap({ ...own, learningRate: (step) => scheduleOf(rate.value)(step) }), options, null, rate);
  }
}

/** The default of `soap`. */
const DEFAULT_RATE = 0.003;
