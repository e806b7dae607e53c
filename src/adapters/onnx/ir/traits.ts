import type { NodeProto } from 'onnx-buf';
import type { Attributes } from './attributes.ts';

/** Properties of an op by which passes and losses find the nodes that they look for. */
export interface Traits {
  /** Effect of a constant operand on the other one, for arithmetic that may apply a bias or a scale. */
  readonly operand?: 'added' | 'subtracted' | 'factor' | 'divisor';
  /**
   * For an op that passes on the elements of its first input: `'all'`, unchanged; `'some'`, a part of them or in another
   * order. `'joined'` if it passes on those of every input.
   */
  readonly carries?: 'all' | 'some' | 'joined';
  /** True if the op permutes the axes of its input. */
  readonly permutesAxes?: boolean;
  /** For a product that sums over one axis or a window: of matrices, with or without factors and a bias, or a convolution. */
  readonly product?: 'matrices' | 'affine' | 'convolution' | 'transposedConvolution';
  /** For a product of rows with a matrix, its second input: true if it stands transposed; undefined if the rows do. */
  readonly isTransposed?: (attributes: Attributes) => boolean | undefined;
  /** True if the op picks parts of its first input along the attribute `axis`, by the indices in the second. */
  readonly looksUp?: boolean;
  /** True if the result is max(x, 0), so that its cotangent passes where it is positive. */
  readonly rectifies?: boolean;
  /** True for an elementwise op whose result never falls as its input rises. */
  readonly rises?: boolean;
  /** Meaning of the result: probabilities along an axis, their logarithms, or a probability for each element. */
  readonly probability?: 'classes' | 'logClasses' | 'each';
  /**
   * True for a function by which networks keep a parameter in a range; files hold other constants after such functions, not
   * before.
   */
  readonly keepsInRange?: boolean;
  /** True if the op limits its first input to an interval. */
  readonly clamps?: boolean;
  /** For a reduction that passes look for: its result. */
  readonly reduces?: 'sum' | 'mean';
  /** For an op that decides by a condition: between two values for each element, or between two subgraphs. */
  readonly chooses?: 'elements' | 'subgraphs';
  /** For a function of an angle: its name. */
  readonly ofAngle?: 'sine' | 'cosine';
  /** True if the result is the square root. */
  readonly takesRoot?: boolean;
  /** True if the result holds the largest element of each window. */
  readonly takesLargest?: boolean;
  /** True if ONNX Runtime replaces whole formulas with the op by one node: GELU and layer normalization. */
  readonly isFused?: boolean;
  /** True if the result is the first input in the shape of the second. */
  readonly reshapes?: boolean;
  /** True if ONNX Runtime finds nothing to optimize around the op in a graph of dense layers; only for ops of several axes. */
  readonly isDense?: boolean;
  /** True if every element of the result is the same number, the attribute of the op. */
  readonly fills?: boolean;
  /** Inputs that hold running statistics, trained by averaging. */
  readonly statistics?: readonly number[];
  /** Inputs that hold a scale or a zero point of quantized numbers. */
  readonly quantizers?: readonly number[];
  /** For an op that quantizes by the range of its input: the output that holds the scale. */
  readonly scaleOutput?: number;
  /** Output that takes much longer than the others; left out if nothing reads it. */
  readonly costlyOutput?: number;
}

/** Returns the traits of a node's op; undefined if the op is not known. */
export type TraitsOf = (node: NodeProto) => Traits | undefined;
