import { terminations, type Outcome, type Termination } from './termination.ts';
import type { RunState } from './runState.ts';
import type { TraceEntry } from './trace.ts';
import type { ValidationResult } from './validation.ts';

/** Convergence of a solve, as its tolerances measure it. */
export interface ConvergenceMeasures {
  /** ‖∇f‖∞. */
  readonly gradient: ConvergenceMeasure;
  /** |fₖ₊₁ − fₖ| / max(|fₖ|, |fₖ₊₁|) in the last iteration. */
  readonly function: ConvergenceMeasure;
  /** ‖xₖ₊₁ − xₖ‖∞ / ‖xₖ₊₁‖∞ in the last iteration. */
  readonly step: ConvergenceMeasure;
}

/** A measured value and its tolerance. The value is NaN or Infinity if it was not measured. */
export interface ConvergenceMeasure {
  readonly value: number;
  readonly tolerance: number;
}

/** Result of a solve; `String(result)` is a readable report in the style of Optim.jl. */
export interface SolveResult {
  /** Best point, `[n]`. The problem's parameters hold it too. */
  readonly x: Float64Array;
  /** f(x). */
  readonly f: number;
  /** ‖∇f(x)‖∞. */
  readonly gradientNorm: number;
  readonly iterations: number;
  readonly evaluations: {
    /** Evaluations of f, with or without its gradient. */
    readonly f: number;
    /** Evaluations that also computed the gradient. */
    readonly gradient: number;
    /** Products with the Hessian, if the problem has them. */
    readonly hessianVector: number;
    /** Products Jv with the Jacobian of residuals, if a solver works by them. */
    readonly jacobianVector: number;
    /** Products Jᵀu. */
    readonly vectorJacobian: number;
  };
  readonly termination: Termination;
  /** Termination in a sentence, with its figures. */
  readonly message: string;
  readonly converged: boolean;
  /** Seconds. */
  readonly elapsed: number;
  /** One entry for each iteration, the start first; empty with `storeTrace: false`. */
  readonly trace: readonly TraceEntry[];
  /** Name of the method. */
  readonly method: string;
  readonly measures: ConvergenceMeasures;
  /** Validation losses, with the option `validation`. */
  readonly validation?: ValidationResult;
  /**
   * Complete state of the run, for `options.resume` of another run: opaque plain data, which `saveState`
   * converts for JSON. It is not enumerable, so printing, spreading or sending a result leaves it out.
   */
  readonly state: RunState;
  /** Returns a readable report: status, candidate, method, convergence measures, work. */
  toString(): string;
}

const statusWords: Record<Outcome, string> = { converged: 'success', stopped: 'stopped', failed: 'failure' };

/** Facts of a solve at its end; `message` replaces the sentence of the termination. */
type SolveFacts = Omit<SolveResult, 'message' | 'converged' | 'state' | 'toString'> & {
  readonly state?: RunState | undefined;
  readonly message: string | null;
};

/** Adds the sentence and the report to the facts of a solve. */
export function solveResult(facts: SolveFacts): SolveResult {
  const { outcome, sentence } = terminations[facts.termination];
  const { state, ...enumerable } = facts;
  const result = { ...enumerable, message: facts.message ?? sentence, converged: outcome === 'converged' };
  const toString = () => report(result);
  // The report is a method, not data: it stays out of spreads and JSON, and `console.log` shows it in Node.
  Object.defineProperty(result, 'state', { value: state });
  Object.defineProperty(result, 'toString', { value: toString });
  Object.defineProperty(result, Symbol.for('nodejs.util.inspect.custom'), { value: toString });
  return result as typeof result & Pick<SolveResult, 'state'>;
}

function report(result: Omit<SolveResult, 'state' | 'toString'>): string {
  const { gradient, function: change, step } = result.measures;
  return ` * Status: ${statusWords[terminations[result.termination].outcome]}
    ${result.message}

 * Candidate solution
    Objective value:   ${result.f.toExponential(6)}
    Unknowns:          ${result.x.length}

 * Found with
    Method:            ${result.method}

 * Convergence measures
    ‖∇f(x)‖∞         = ${compare(gradient)}
    |f - f'| / |f|   = ${compare(change)}
    ‖x - x'‖ / ‖x‖   = ${compare(step)}

 * Work counters
    Seconds:           ${result.elapsed.toPrecision(3)}
    Iterations:        ${result.iterations}
    f(x) calls:        ${result.evaluations.f}
    ∇f(x) calls:       ${result.evaluations.gradient}
${products(result.evaluations)}`;
}

const line = (name: string, count: number): string =>
  count > 0 ? `    ${`${name} calls:`.padEnd(19)}${count}\n` : '';

/** Lines of the report for the products computed. */
function products({ hessianVector, jacobianVector, vectorJacobian }: SolveResult['evaluations']): string {
  return line('∇²f(x)v', hessianVector) + line('J(x)v', jacobianVector) + line('J(x)ᵀu', vectorJacobian);
}

function compare({ value, tolerance }: ConvergenceMeasure): string {
  if (!(value < Infinity)) return 'not measured';
  const sign = value <= tolerance ? '≤' : '≰';
  return `${value.toExponential(2)} ${sign} ${tolerance.toExponential(2)}`;
}
