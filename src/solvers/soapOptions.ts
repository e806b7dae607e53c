import {
  boolean,
  finitePositive,
  integerFrom,
  nonNegative,
  numberIn,
  positive,
  type Rules,
} from '../core/options.ts';
import { scheduleRule, type Schedule } from './schedules.ts';

/** Options of `soap`. */
export interface SoapOptions {
  /** A number, or a schedule such as `cosineDecay({ from, steps })`. @defaultValue `0.003` */
  readonly learningRate?: number | Schedule | undefined;
  /** Decay of the first moment, in [0, 1). @defaultValue `0.9` */
  readonly beta1?: number | undefined;
  /** Decay of the second moment and of the curvature factors, in [0, 1). @defaultValue `0.95` */
  readonly beta2?: number | undefined;
  /** Added to the root of the second moment; on float32 problems at least 2⁻⁶³. @defaultValue `1e-8` */
  readonly epsilon?: number | undefined;
  /** Decoupled weight decay (AdamW): x shrinks by learningRate·weightDecay·x each step. @defaultValue `0` */
  readonly weightDecay?: number | undefined;
  /** Gradients longer than this, in the Euclidean norm, are cut to it. @defaultValue `Infinity` */
  readonly clipNorm?: number | undefined;
  /**
   * Steps from one refresh of the eigenbases to the next; a fifth of it from step 4 to step 2·frequency. With Infinity there is
   * none: it is Adam.
   *
   * @defaultValue `10`
   */
  readonly frequency?: number | undefined;
  /**
   * Longest side of a matrix that is kept whole. Longer ones are cut into equal parts, and each block of the matrix is
   * rotated by itself; a side of k costs each element about 2.5·k multiplications. `Infinity` cuts nothing, 1 rotates
   * nothing, which is Adam.
   *
   * @defaultValue the power of 2 from 16 to 128 below 2²⁰ (on float64 problems 2¹⁸) over the number of elements of the matrix:
   *   128 for those of less than 8192 elements, 16 from 32768 on
   */
  readonly maxSide?: number | undefined;
  /**
   * Rotate the side of the inputs only: all axes of a kernel but those of its filters or units, where a layout tells them,
   * else all but the first. Half the work.
   *
   * @defaultValue `true` for matrices with a side longer than `maxSide` whose filters or units the layout tells, if
   *   `maxSide` is below 64, since it saves more time than it costs in steps; `false` for others
   */
  readonly oneSided?: boolean | undefined;
  /** Make the bias after a kernel another row or column of it, where sizes tell that it is its bias. @defaultValue `false` */
  readonly joinBias?: boolean | undefined;
  /**
   * Average the points in the place of a decaying rate, and answer with the average: no number of steps need be known.
   * `beta1` is then how near to the average gradients are taken. Give a constant rate, with a warm-up.
   *
   * @defaultValue `false`
   */
  readonly scheduleFree?: boolean | undefined;
}

const decay = numberIn(0, 1 - Number.EPSILON);

/** Rules of the options of `soap`. */
export const soapRules: Rules<SoapOptions> = {
  learningRate: scheduleRule,
  beta1: decay,
  beta2: decay,
  epsilon: finitePositive,
  weightDecay: nonNegative,
  clipNorm: positive,
  frequency: integerFrom(1),
  maxSide: integerFrom(1),
  oneSided: boolean,
  joinBias: boolean,
  scheduleFree: boolean,
};
