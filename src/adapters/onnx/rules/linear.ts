import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import { einsumEquation, parseEinsum } from '../ops/einsum.ts';
import type { Value } from '../ir/graph.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** y = a·b: da = dy·bᵀ, db = aᵀ·dy, each summed over the axes along which it was broadcast. */
const matmul: VjpRule = (c) => {
  const {
    g,
    inputs: [a, b],
    dy,
    needs,
  } = c;
  if (g.shapeOf(a) === undefined && g.shapeOf(b)?.length === 2) return byRows(c);
  const [p, q] = [g.rank(a), g.rank(b)];
  if (p === 2 && q === 2) {
    return [
      needs(0) && g.op('Gemm', [dy, b], { transB: 1 }),
      needs(1) && g.op('Gemm', [a, dy], { transA: 1 }),
    ];
  }
  // A vector on the left is a row, on the right a column.
  const left = p === 1 ? g.unsqueeze(a, [0]) : a;
  const right = q === 1 ? g.unsqueeze(b, [1]) : b;
  const missing = [...(p === 1 ? [-2] : []), ...(q === 1 ? [-1] : [])];
  const full = g.unsqueeze(dy, missing);
  const fit = (cotangent: Value, matrix: Value, original: Value) =>
    g.reshapeLike(g.sumTo(cotangent, matrix), original);
  return [
    needs(0) && fit(g.matmul(full, g.swap(right)), left, a),
    needs(1) && fit(weightOf(g, left, full, right), right, b),
  ];
};

/** As {@link matmul}, of a left operand of unknown rank, whose rows meet one matrix. */
const byRows: VjpRule = ({ g, inputs: [a, b], dy, needs }) => {
  const rows = (x: Value, axis: number) => g.reshape(x, g.concat([g.integers([-1]), g.sizes(b, [axis])], 0));
  return [
    needs(0) && g.matmul(dy, g.swap(b)),
    needs(1) && g.op('Gemm', [rows(a, 0), rows(dy, 1)], { transA: 1 }),
  ];
};

/** leftᵀ·d; where the right operand is one matrix for the whole batch, all rows at once in one product. */
function weightOf(g: Builder, left: Value, d: Value, right: Value): Value {
  if (g.rank(right) !== 2 || g.rank(left) === 2) return g.matmul(g.swap(left), d);
  const rows = (x: Value) => g.reshape(x, g.concat([g.integers([-1]), g.sizes(x, [g.rank(x) - 1])], 0));
  return g.op('Gemm', [rows(left), rows(d)], { transA: 1 });
}

/** y = α·A'·B' + β·C, where A' is A or its transpose, and so B'. */
const gemm: VjpRule = ({ g, inputs: [a, b, c], dy, needs, attributes }) => {
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)];
  const [transA, transB] = [attributes.int('transA', 0) ? 1 : 0, attributes.int('transB', 0) ? 1 : 0];
  const product = (p: Value, q: Value, transposeP: number, transposeQ: number) =>
    g.op('Gemm', [p, q], { transA: transposeP, transB: transposeQ, alpha: alpha === 1 ? undefined : alpha });
  return [
    needs(0) && (transA ? product(b, dy, transB, 1) : product(dy, b, 0, 1 - transB)),
    needs(1) && (transB ? product(dy, a, 1, transA) : product(a, dy, 1 - transA, 0)),
    needs(2) && g.mul(g.sumTo(dy, c), beta),
  ];
};

const repeats = (letters: readonly string[]) => new Set(letters).size < letters.length;

/** The cotangent of one operand is an Einsum of that of the result with the other operands. */
const einsum: VjpRule = ({ g, inputs, dy, needs, attributes }) => {
  const text = JSON.stringify(attributes.string('equation', ''));
  const equation = parseEinsum(attributes.string('equation', ''));
  if (equation === undefined)
    refuse(`the equation ${text} has no rule where its inputs' ranks are not known: write its ellipsis out.`);
  if (equation.inputs.length !== inputs.length)
    refuse(`its equation has ${equation.inputs.length} terms, for ${inputs.length} inputs.`);
  if (equation.inputs.some(repeats) || repeats(equation.output)) {
    refuse(`the equation ${text} makes a diagonal, which has no rule.`);
  }
  return inputs.map((input, i) => {
    if (!needs(i)) return undefined;
    const own = equation.inputs[i];
    const others = equation.inputs.filter((_, k) => k !== i);
    const present = new Set([...equation.output, ...others.flat()]);
    const d = g.op('Einsum', [dy, ...inputs.filter((_, k) => k !== i)], {
      equation: einsumEquation({
        inputs: [equation.output, ...others],
        output: own.filter((letter) => present.has(letter)),
      }),
    });
    // Along axes that this operand alone has, and that are summed over, the cotangent is the same everywhere; where an
    // axis of size 1 stands beside longer ones of the same letter, it gets what all of them get.
    const alone = own.flatMap((letter, axis) => (present.has(letter) ? [] : [axis]));
    return g.sumTo(g.expandLike(g.unsqueeze(d, alone), input), input);
  });
};

/** Rules of products of matrices. */
export const linear = new Map<string, VjpRule>([
  ['MatMul', matmul],
  ['Gemm', gemm],
  ['Einsum', einsum],
]);
