import type { Precision } from '../../../core/problem.ts';
import { checkOptions, objectWith, oneOf, type Rules } from '../../../core/options.ts';
import { checkDifferentiateOptions, differentiateRules, type DifferentiateOptions } from '../options.ts';

/** Options of `trainable`. */
export interface TrainableOptions extends Omit<
  DifferentiateOptions,
  'wrt' | 'hessianVector' | 'dropout' | 'noise'
> {
  /**
   * Tensors to train: names of the model's constant tensors, or a choice among all float ones.
   *
   * @defaultValue the weights, biases, scales, tables and slopes of the model's layers
   */
  readonly trainable?: DifferentiateOptions['wrt'];
  /**
   * Problems in which Dropout nodes that the file has in training mode drop: those of mini-batches, with a choice of its own
   * for each batch (`'batches'`); those of fixed data too, with one choice for good (`'on'`); or none (`'off'`).
   * `predict`, `evaluate` and problems in inference mode never drop.
   *
   * @defaultValue `'batches'`
   */
  readonly dropout?: 'batches' | 'on' | 'off';
  /**
   * Given to ONNX Runtime with each session. `{ intraOpNumThreads: 1 }` suits small networks, and machines with
   * other work to do.
   *
   * @defaultValue ONNX Runtime's own, but only errors are logged, threads sleep while they have nothing to do, and
   *   on a machine of two cores there is one
   */
  readonly sessionOptions?: object;
  /** Problems answer `hessianVector` too, with exact products; more memory, no time otherwise. @defaultValue false */
  readonly hessianVector?: boolean;
  /**
   * Time at which values that depend on no parameter are computed, such as the layers before the first that is trained:
   * `'once'` for the data of a problem, whose results are kept with it, or at `'every'` evaluation, which takes less memory.
   *
   * @defaultValue `'once'`
   */
  readonly frozen?: 'once' | 'every';
  /** Execution provider of the ONNX Runtime in use. @defaultValue ONNX Runtime's own choice */
  readonly target?: 'cpu' | 'wasm' | 'webgpu';
}

const { wrt, dropout: _, noise: __, ...shared } = differentiateRules;
const rules: Rules<TrainableOptions> = {
  ...shared,
  trainable: wrt,
  dropout: oneOf('batches', 'on', 'off'),
  frozen: oneOf('once', 'every'),
  sessionOptions: objectWith("an object of ONNX Runtime's session options"),
};

/**
 * Left to spin between runs, ONNX Runtime's threads take the processor from the solver: an evaluation of a small
 * network then costs twice the processor time. And on two cores a second thread gains a third when nothing else
 * runs, and costs several times the evaluation when something does.
 *
 * Quantized ops fused over a DequantizeLinear round otherwise than the ops that a file has, and the graphs of the loss
 * with and without its gradient would not be fused alike.
 *
 * Pad_Fusion of ONNX Runtime 1.30 takes a padded weight of a Conv for its padded input, and breaks the graph: second
 * derivatives of convolutions have such weights. MatMulScaleFusion rounds a factor of a product of matrices to float32, in
 * float64 too, where it costs half the digits.
 */
const quiet = (precision: Precision) => ({
  logSeverityLevel: 3,
  extra: {
    session: { intra_op: { allow_spinning: '0' }, disable_quant_qdq: '1' },
    optimization: {
      disable_specified_optimizers: precision === 'float64' ? 'Pad_Fusion;MatMulScaleFusion' : 'Pad_Fusion',
    },
  },
  ...(cores() <= 2 && { intraOpNumThreads: 1 }),
});

/** Number of cores that Node may use; Infinity without Node, or in an old one. */
const cores = () =>
  typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function'
    ? Infinity
    : process.getBuiltinModule('node:os').availableParallelism();

/** Options of `differentiate` and of the sessions. */
export interface Plan {
  readonly differentiate: DifferentiateOptions;
  /** Options of its sessions, by the precision that it computes in. */
  readonly session: (precision: Precision) => object;
  /** True if Hessian products are wanted. */
  readonly hessianVector: boolean;
  /** True if values that depend on no parameter are computed once. */
  readonly frozenOnce: boolean;
  /** Problems with dropout. */
  readonly dropout: 'batches' | 'on' | 'off';
  /** Values of the model that `problem.evaluate` gives beside the loss. */
  readonly keep: readonly string[];
}

/**
 * Checks the options of `trainable` and sorts them.
 *
 * @throws TypeError, RangeError naming every fault
 */
export function planOf(where: string, options: TrainableOptions): Plan {
  checkOptions(where, options, rules);
  const {
    trainable,
    sessionOptions,
    target,
    hessianVector = false,
    frozen,
    keep = [],
    dropout = 'batches',
    ...rest
  } = options;
  const differentiate = {
    ...rest,
    dropout: 'off' as const,
    noise: 'fed' as const,
    ...(trainable !== undefined && { wrt: trainable }),
    ...(target !== undefined && { target }),
  };
  checkDifferentiateOptions(where, differentiate);
  return {
    differentiate,
    hessianVector,
    frozenOnce: frozen !== 'every',
    keep,
    dropout,
    session: (precision) => ({
      ...quiet(precision),
      ...(target !== undefined && { executionProviders: [target] }),
      ...sessionOptions,
    }),
  };
}
