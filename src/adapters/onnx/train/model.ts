import { boolean, checkOptions } from '../../../core/options.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import { engine, type Loaded } from './engine.ts';
import type { Feeds } from './feeds.ts';
import { dataInputs, targetInputs, type InputSpec } from './inputs.ts';
import {
  leastSquaresOf,
  sessionsOf,
  type LeastSquaresOptions,
  type OnnxLeastSquares,
} from './leastSquares.ts';
import type { OrtTensors } from './ort.ts';
import {
  checkProblemOptions,
  problemOf,
  type FeedSource,
  type OnnxProblem,
  type ProblemOptions,
} from './problem.ts';
import { observe, statisticsOf } from './statistics.ts';
import { writeBack, type NewValues, type WriteOptions } from './writeBack.ts';

/** A model being trained in ONNX Runtime. */
export interface OnnxModel {
  /** Parameters of the model. A solver writes its best point here; evaluations do not change them. */
  readonly params: ParamSet;
  readonly precision: Precision;
  /** Inputs of a problem: the model's own and the targets of its loss. */
  readonly inputs: readonly InputSpec[];
  /** Parameters that the loss does not depend on. */
  readonly unused: readonly string[];
  /**
   * The loss as a problem for `minimizeAsync` and `landscapeAsync`.
   *
   * @param feeds - data and target by input name, where tensors are referenced, not copied; or a function
   *   that returns the next mini-batch, such as the result of {@link miniBatches}
   * @throws OnnxError naming every wrong feed; with a function, the problem throws it when the batch is drawn
   * @throws RangeError if an option is wrong
   */
  problem(feeds: FeedSource, options?: ProblemOptions): OnnxProblem;
  /**
   * The loss as a sum of squares, with residuals and their Jacobian, for `levenbergMarquardt()`.
   *
   * @param feeds - data and targets by input name, as for {@link OnnxModel.problem}
   * @throws OnnxError if the loss is not `'mse'` and no residuals are given; or naming every wrong feed
   */
  leastSquares(feeds: Feeds, options?: LeastSquaresOptions): OnnxLeastSquares;
  /**
   * Computes the model's outputs, by name, at the current parameters, in inference mode.
   *
   * @param feeds - the model's own inputs
   * @throws OnnxError naming every feed that is wrong
   */
  predict(feeds: Feeds): Promise<OrtTensors>;
  /** Returns the model's file with the current parameters; everything else is unchanged. */
  toBytes(options?: WriteOptions): Uint8Array;
  /** Releases the sessions of ONNX Runtime. The parameters can still be read and written to a file. */
  dispose(): Promise<void>;
}

/** Assembles a model. */
export function onnxModel(loaded: Loaded): OnnxModel {
  const { file, running, plan, differentiated } = loaded;
  const { precision, statistics, unused, copies } = differentiated;
  const runs = engine(loaded);
  const { params, values } = runs.weights;
  const residualSessions = sessionsOf(loaded);
  const inputs = [...dataInputs(differentiated), ...targetInputs(differentiated)];
  return {
    params,
    precision,
    inputs,
    unused,
    problem(source, options = {}) {
      checkProblemOptions(options);
      const batches = typeof source === 'function';
      const dropped = plan.dropout === 'on' || (plan.dropout === 'batches' && batches);
      const mode = options.inference === true ? 'inference' : dropped && runs.drops() ? 'dropout' : 'file';
      const seen = mode === 'inference' ? [] : statistics;
      const observer = observe(seen, [...running.values()], params, precision, batches);
      const hessianVector = plan.hessianVector && (mode !== 'inference' || statistics.length === 0);
      const own = seen.length === 0 ? undefined : statisticsOf(observer, [...running.values()]);
      const statisticsCount =
        seen.length === 0 ? 0 : Array.from(running.values()).reduce((sum, { length }) => sum + length, 0);
      const { seed = 1 } = options;
      const shared = { engine: runs, inputs, precision, observer, statistics: own, statisticsCount, seed };
      return problemOf({ ...shared, hessianVector, mode }, source);
    },
    leastSquares: (feeds, options = {}) =>
      leastSquaresOf(loaded, runs, (graph) => residualSessions.another(graph), feeds, options),
    predict: (feeds) => runs.inTurn(() => runs.predict(feeds)),
    toBytes(options = {}) {
      checkOptions('toBytes', options, { inference: boolean });
      const tensors = new Map<string, NewValues>();
      for (const { name, shape, offset, size } of params.layout.tensors) {
        tensors.set(name, { shape, values: values.subarray(offset, offset + size) });
      }
      for (const [name, values] of running) tensors.set(name, { shape: [values.length], values });
      const { externalData } = plan.differentiate;
      return writeBack({ bytes: file(), copies, externalData }, tensors, options);
    },
    async dispose() {
      await runs.dispose(); // after the runs that are under way
      await residualSessions.release();
    },
  };
}
