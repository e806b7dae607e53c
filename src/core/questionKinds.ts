import type { Question } from './question.ts';

/** Facts about a kind of question, for those who answer, check, count and scale questions. */
export interface QuestionKind {
  /** Names of the buffers that the problem's method reads, in the order of its parameters. */
  readonly inputs: readonly string[];
  /** Names of the buffers that it then writes; one that is null is not wanted. */
  readonly outputs: readonly string[];
  /** If the question counts as an evaluation of f: the output that makes it one of ∇f, too, unless it is null. */
  readonly derivative?: string;
  /** True if the question counts as a product with the Hessian or the Jacobian. */
  readonly isProduct?: boolean;
  /** If its outputs are multiplied by a power of c when f is multiplied by c: that power. */
  readonly power?: number;
  /** For methods that a problem may lack: the end of a sentence that begins with "This problem". */
  readonly missing?: string;
}

const product = ['product'];
const noJacobian =
  'has no products with its Jacobian; give it methods jacobianVector(x, v, product) and vectorJacobian(x, u, product).';

/** The kinds of questions. */
export const questionKinds: Readonly<Record<Question['kind'], QuestionKind>> = {
  evaluate: { inputs: ['x'], outputs: ['gradient'], derivative: 'gradient', power: 1 },
  nextBatch: {
    inputs: [],
    outputs: [],
    missing: 'has no mini-batches; give it a method nextBatch().',
  },
  overlap: {
    inputs: ['x'],
    outputs: ['gradient'],
    derivative: 'gradient',
    power: 1,
    missing:
      'does not say what its batches share; give it a method overlap(x, gradient) in addition to nextBatch().',
  },
  residuals: {
    inputs: ['x'],
    outputs: ['residuals', 'jacobian'],
    derivative: 'jacobian',
    power: 0.5,
    missing:
      'has no residuals; leastSquares({ p0, residualCount, residuals }) makes a problem with residuals.',
  },
  jacobianVector: { inputs: ['x', 'v'], outputs: product, isProduct: true, power: 0.5, missing: noJacobian },
  vectorJacobian: { inputs: ['x', 'u'], outputs: product, isProduct: true, power: 0.5, missing: noJacobian },
  jacobianGram: {
    inputs: ['x'],
    outputs: product,
    derivative: 'product',
    power: 1,
    missing: 'has no products of its Jacobian with itself; give it a method jacobianGram(x, product).',
  },
  hessianVector: {
    inputs: ['x', 'v'],
    outputs: product,
    isProduct: true,
    power: 1,
    missing: 'has no Hessian-vector products; give it a method hessianVector(x, v, product).',
  },
  valuesAt: {
    inputs: ['points'],
    outputs: ['values'],
    power: 1,
    missing: 'cannot give many values at once; give it a method valuesAt(points, values).',
  },
  compute: { inputs: [], outputs: [] },
};

/** Returns the buffer of a question that has this name; null if that output is not wanted. */
export const bufferOf = (question: Question, name: string): Float64Array | null =>
  (question as unknown as Readonly<Record<string, Float64Array | null>>)[name];
