import type { Precision } from '../../../core/problem.ts';
import { checkOptions, objectWith, oneOf, type Rules } from '../../../core/options.ts';
import { checkDifferentiateOptions, differentiateRules, type DifferentiateOptions } from '../options.ts';
import { remembered } from './session.ts';

/** Options of `trainable`. */
export interface TrainableOptions extends Omit<
  DifferentiateOptions,
  'wrt' | 'hessianVector' | 'dropout' | 'noise'
> {
  /**
   * Tensors to train: names of the model's constant tensors, or a function that selects among all float
   * tensors.
   *
   * @defaultValue the weights, biases, scales, tables and slopes of the model's layers
   */
  readonly trainable?: DifferentiateOptions['wrt'] | undefined;
  /**
   * Problems in which Dropout nodes in training mode are active: `'batches'`, those on mini-batches, with a new mask for
   * each batch; `'on'`, also those on fixed data, with a single mask; `'off'`, none. `predict`, `evaluate` and problems in
   * inference mode never drop anything.
   *
   * @defaultValue `'batches'`
   */
  readonly dropout?: 'batches' | 'on' | 'off' | undefined;
  /**
   * Session options passed to ONNX Runtime. `{ intraOpNumThreads: 1 }` suits small networks, and machines
   * with other work to do.
   *
   * @defaultValue ONNX Runtime's own, except that only errors are logged, idle threads sleep, and a two-core
   *   machine uses one thread
   */
  readonly sessionOptions?: object | undefined;
  /**
   * Gives problems exact Hessian-vector products, `hessianVector`; costs memory, but no time unless used.
   *
   * @defaultValue false
   */
  readonly hessianVector?: boolean | undefined;
  /**
   * When to compute values that depend on no parameter, such as the layers before the first trained one:
   * `'once'` for the data of a problem, which keeps the results, or at `'every'` evaluation, which takes less
   * memory.
   *
   * @defaultValue `'once'`
   */
  readonly frozen?: 'once' | 'every' | undefined;
  /** Execution provider of the ONNX Runtime in use. @defaultValue ONNX Runtime's own choice */
  readonly target?: 'cpu' | 'wasm' | 'webgpu' | undefined;
}

const { wrt, dropout: _, noise: __, ...shared } = differentiateRules;
const rules: Rules<TrainableOptions> = {
  ...shared,
  trainable: wrt,
  dropout: oneOf('batches', 'on', 'off'),
  frozen: oneOf('once', 'every'),
  sessionOptions: objectWith("an object of ONNX Runtime's session options"),
};

/** Optimizations that round numbers of a float64 graph to float32, or replace them. */
const inexact = 'MatMulScaleFusion;LayerNormFusion;SimplifiedLayerNormFusion';

/**
 * If ONNX Runtime's threads spin between runs, they take processor time from the solver: an evaluation of a
 * small network then costs twice as much. On two cores, a second thread makes an evaluation a third faster if
 * nothing else runs, and several times slower if something does.
 *
 * Quantized ops fused over a DequantizeLinear round differently from the ops in the file, and the graphs of
 * the loss with and without its gradient would be fused differently.
 *
 * Pad_Fusion of ONNX Runtime 1.30 mistakes a padded weight of a Conv for a padded input and breaks the graph; second
 * derivatives of convolutions have such weights. MatMulScaleFusion rounds a factor of a matrix product to float32, in float64
 * too, where it costs half the digits. LayerNormFusion and SimplifiedLayerNormFusion ignore an epsilon in float64 and take
 * 1e-5.
 */
const quiet = (precision: Precision) => ({
  logSeverityLevel: 3,
  extra: {
    session: { intra_op: { allow_spinning: '0' }, disable_quant_qdq: '1' },
    optimization: {
      disable_specified_optimizers: precision === 'float64' ? `Pad_Fusion;${inexact}` : 'Pad_Fusion',
    },
  },
  ...threads(),
});

/** Default number of threads. */
const threads = () => (cores() <= 2 ? { intraOpNumThreads: 1 } : {});

/** Returns the number of cores available to Node; Infinity outside Node or in old versions. */
const cores = remembered(() =>
  typeof process === 'undefined' || typeof process.getBuiltinModule !== 'function'
    ? Infinity
    : process.getBuiltinModule('node:os').availableParallelism(),
);

const isCpu = (provider: unknown): boolean =>
  typeof provider === 'object' && provider !== null && 'name' in provider
    ? provider.name === 'cpu'
    : provider === 'cpu';

/** True if session options leave the processor as the only backend, and layouts among the optimizations. */
function allowsLayouts(options: object = {}): boolean {
  const { executionProviders = ['cpu'], graphOptimizationLevel = 'all' }: Record<string, unknown> = {
    ...options,
  };
  const providers: readonly unknown[] = Array.isArray(executionProviders) ? executionProviders : [];
  return providers.every(isCpu) && (graphOptimizationLevel === 'all' || graphOptimizationLevel === 'layout');
}

/** Number of threads that session options ask for; undefined if ONNX Runtime chooses. */
const threadsOf = (options: { readonly intraOpNumThreads?: unknown } = {}): unknown =>
  options.intraOpNumThreads ?? threads().intraOpNumThreads;

/** Options of `differentiate` and of the sessions. */
export interface Plan {
  readonly differentiate: DifferentiateOptions;
  /** Returns the session options for a precision; `isOptimal` if ONNX Runtime need not optimize the graph. */
  readonly session: (precision: Precision, isOptimal?: boolean) => object;
  /** True if sessions may use ONNX Runtime's own memory layouts for the processor. */
  readonly usesLayouts: boolean;
  /**
   * True if gradients with respect to the weights of convolutions are sums over samples, each computed in the blocked layout:
   * on one thread, because others would have to be woken for each sample.
   */
  readonly keepsWeights: boolean;
  /** True if Hessian-vector products are requested. */
  readonly hessianVector: boolean;
  /** True if values that depend on no parameter are computed once. */
  readonly frozenOnce: boolean;
  /** Problems in which dropout is active. */
  readonly dropout: 'batches' | 'on' | 'off';
  /** Values of the model that `problem.evaluate` returns with the loss. */
  readonly keep: readonly string[];
}

/**
 * Checks the options of `trainable` and groups them.
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
  const usesLayouts = (target ?? 'cpu') === 'cpu' && allowsLayouts(sessionOptions);
  return {
    differentiate,
    usesLayouts,
    keepsWeights: usesLayouts && threadsOf(sessionOptions) === 1,
    hessianVector,
    frozenOnce: frozen !== 'every',
    keep,
    dropout,
    session: (precision, isOptimal = false) => ({
      ...quiet(precision),
      ...(isOptimal && { graphOptimizationLevel: 'disabled' }),
      ...(target !== undefined && { executionProviders: [target] }),
      ...sessionOptions,
    }),
  };
}
