import { soap } from '../../../solvers/soap.ts';
import { soapRules, type SoapOptions } from '../../../solvers/soapOptions.ts';
import { solverOptions, type SolverOptimizerOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

interface Own extends Omit<SoapOptions, 'learningRate'> {
  /** The `learningRate` of `soap`: a rate, or a schedule, which cannot be saved. @defaultValue `0.003` */
  readonly rate?: SoapOptions['learningRate'];
}

/**
 * Options of {@link SOAPOptimizer}: those of every optimizer class, and those of `soap`. `learningRate` bounds the change
 * of a parameter on mini-batches and should be well above `rate`.
 */
export type SOAPOptimizerOptions = SolverOptimizerOptions & Own;

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
 * const optimizer = new SOAPOptimizer({ rate: 0.01, learningRate: 0.1 });
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
    const { learningRate: rateRule, ...rules } = soapRules;
    const { rate, ...own } = solverOptions<Own>('SOAPOptimizer', options, { ...rules, rate: rateRule });
    super(soap({ ...own, ...(rate !== undefined && { learningRate: rate }) }), options);
  }
}
