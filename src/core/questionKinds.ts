import type { Question } from './question.ts';

/** Facts about a kind of question, for those who answer, check, count and scale questions. */
export interface QuestionKind {
  /** Names of the buffers that the problem's method reads, in the order of its parameters. */
  readonly inputs: readonly string[];
  /** Names of the buffers that the method writes; a buffer that is null is left out. */
  readonly outputs: readonly string[];
  /**
   * If the question counts as an evaluation of f: the output that makes it one of ∇f, too, unless it is null. Null for others.
   */
  readonly derivative: string | null;
  /** True if the question counts as a product with the Hessian or the Jacobian. */
  readonly isProduct: boolean;
  /** If f is multiplied by c, the outputs are multiplied by c to this power. */
  readonly degree: 0 | 0.5 | 1;
  /** For methods that a problem may lack: the end of a sentence that begins with "This problem". */
  readonly missing: string;
}

const product = ['product'];
const noJacobian =
  'has no products with its Jacobian; give it methods jacobianVector(x, v, product) and vectorJacobian(x, u, product).';

/** Fills in what a kind does not say. All kinds then have the same fields in the same order, which are fast to read. */
const kind = (facts: Partial<QuestionKind>): QuestionKind => ({
  inputs: [],
  outputs: [],
  derivative: null,
  isProduct: false,
  degree: 0,
  missing: '',
  ...facts,
});

/** The kinds of questions. */
export const questionKinds: Readonly<Record<Question['kind'], QuestionKind>> = {
  evaluate: kind({ inputs: ['x'], outputs: ['gradient'], derivative: 'gradient', degree: 1 }),
  nextBatch: kind({
    missing: 'has no mini-batches; give it a method nextBatch().',
  }),
  overlap: kind({
    inputs: ['x'],
    outputs: ['gradient'],
    derivative: 'gradient',
    degree: 1,
    missing:
      'does not say what its batches share; give it a method overlap(x, gradient) in addition to nextBatch().',
  }),
  residuals: kind({
    inputs: ['x'],
    outputs: ['residuals', 'jacobian'],
    derivative: 'jacobian',
    degree: 0.5,
    missing:
      'has no residuals; leastSquares({ p0, residualCount, residuals }) makes a problem with residuals.',
  }),
  jacobianVector: kind({
    inputs: ['x', 'v'],
    outputs: product,
    isProduct: true,
    degree: 0.5,
    missing: noJacobian,
  }),
  vectorJacobian: kind({
    inputs: ['x', 'u'],
    outputs: product,
    isProduct: true,
    degree: 0.5,
    missing: noJacobian,
  }),
  jacobianGram: kind({
    inputs: ['x'],
    outputs: product,
    derivative: 'product',
    degree: 1,
    missing: 'has no products of its Jacobian with itself; give it a method jacobianGram(x, product).',
  }),
  hessianVector: kind({
    inputs: ['x', 'v'],
    outputs: product,
    isProduct: true,
    degree: 1,
    missing: 'has no Hessian-vector products; give it a method hessianVector(x, v, product).',
  }),
  valuesAt: kind({
    inputs: ['points'],
    outputs: ['values'],
    degree: 1,
    missing: 'cannot give many values at once; give it a method valuesAt(points, values).',
  }),
  compute: kind({}),
};

/** Returns the buffer of a question that has this name; null if that output is not wanted. */
export const bufferOf = (question: Question, name: string): Float64Array | null =>
  (question as unknown as Readonly<Record<string, Float64Array | null>>)[name];

/** Returns true if a question asks for a derivative; the most frequent one, `evaluate`, needs no look-up. */
export function asksForDerivative(question: Question): boolean {
  if (question.kind === 'evaluate') return question.gradient !== null;
  const { derivative } = questionKinds[question.kind];
  return derivative !== null && bufferOf(question, derivative) !== null;
}
