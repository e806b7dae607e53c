/**
 * Files drawn at random: ops of every family in opsets 9 to 23, subgraphs, functions, shared weights, odd names, scalars
 * and empty tensors.
 *
 * @module
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { FunctionProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import type { FunctionProto, NodeProto, TensorProto } from 'onnx-buf';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { random, size } from './cases/arbitrary.ts';
import { graphOf, node } from './written.ts';

type Shape = readonly number[];

/** A float value of the graph. */
interface Drawn {
  readonly name: string;
  readonly shape: Shape;
}

/** A file, and what it is fed with. */
export interface RandomModel {
  readonly bytes: Uint8Array;
  readonly opset: number;
  readonly double: boolean;
  /** Shapes of the inputs. */
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly output: string;
  /** Names of the weights. */
  readonly weights: readonly string[];
  readonly ops: readonly string[];
}

const odd = [
  'loss',
  'target/0',
  'grad_of/w',
  'é ü',
  'a b',
  'ad/Add_0',
  'opset18/constant_0',
  'inner/x',
  '0',
  'x:0',
  '/layer.0/Gemm_output_0',
  'constructor',
  '__proto__',
  'noise_of/y',
  'vector_of/w',
  '数',
];

/** Draws a graph; the tables below add nodes to it. */
class Drawing {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly weights: Drawn[] = [];
  readonly values: Drawn[] = [];
  readonly functions: FunctionProto[] = [];
  readonly used = new Set<string>();
  readonly next: () => number;
  readonly float: number;
  readonly opset: number;
  readonly #names = new Set<string>(['']);

  constructor(seed: number) {
    this.next = random(seed * 7919);
    this.opset = 9 + this.below(15);
    this.float = this.below(8) === 0 ? DType.DOUBLE : DType.FLOAT;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  chance(part: number): boolean {
    return this.next() < part;
  }
  name(stem: string): string {
    const wished = this.chance(0.08) ? this.pick(odd) : stem;
    let name = wished;
    for (let i = 1; this.#names.has(name); i++) name = `${wished}_${i}`;
    this.#names.add(name);
    return name;
  }
  reals(shape: Shape, scale = 1): number[] {
    return Array.from({ length: size(shape) }, () => scale * (2 * this.next() - 1));
  }
  /** A weight: a new one, or one that is there already. */
  weight(shape: Shape, scale = 0.8): Drawn {
    const same = this.weights.filter((other) => other.shape.join() === shape.join());
    if (same.length > 0 && this.chance(0.3)) return this.pick(same);
    const drawn = { name: this.name('w'), shape };
    const tensor = tensorOf(drawn.name, this.float, shape, this.reals(shape, scale));
    if (this.chance(0.12)) this.nodes.push(node('Constant', [], drawn.name, { value: tensor }));
    else this.initializers.push(tensor);
    this.weights.push(drawn);
    return drawn;
  }
  /** A number, of which no gradient is asked. */
  number(value: number): string {
    const name = this.name('c');
    this.initializers.push(tensorOf(name, this.float, [], [value]));
    return name;
  }
  integers(values: readonly number[], shape: Shape = [values.length]): string {
    const name = this.name('i');
    const tensor = tensorOf(name, DType.INT64, shape, values);
    if (this.chance(0.3)) this.nodes.push(node('Constant', [], name, { value: tensor }));
    else this.initializers.push(tensor);
    return name;
  }
  add(op: string, input: readonly string[], shape: Shape, attributes: AttributeValues = {}, more = 0): Drawn {
    const drawn = { name: this.name(op.toLowerCase().replace(/.*:/, '')), shape };
    const others = Array.from({ length: more }, () => this.name('o'));
    const label = this.chance(0.5) ? '' : this.name('node');
    this.nodes.push(node(op, input, [drawn.name, ...others], attributes, label));
    for (const each of input) this.used.add(each);
    return drawn;
  }
  /** The value itself, kept small. */
  bounded(v: Drawn): Drawn {
    return this.add('Tanh', [v.name], v.shape);
  }
  value(): Drawn {
    return this.pick(this.chance(0.8) ? this.values.slice(-2) : this.values);
  }
}

/** Draws one op that fits a value; undefined if it does not. */
type Step = (d: Drawing, x: Drawn) => Drawn | undefined;

const unary =
  (op: string, attributes: AttributeValues = {}, since = 9): Step =>
  (d, x) =>
    d.opset < since ? undefined : d.add(op, [x.name], x.shape, attributes);

/** The op of something in its domain: of |x|·scale + shift. */
const within =
  (op: string, scale: number, shift: number, since = 9): Step =>
  (d, x) => {
    if (d.opset < since) return undefined;
    const size = d.add('Mul', [d.bounded(x).name, d.number(scale)], x.shape);
    const square = shift > 0 ? d.add('Mul', [size.name, size.name], x.shape) : size;
    return d.add(op, [d.add('Add', [square.name, d.number(shift)], x.shape).name], x.shape);
  };

const broadcast = (a: Shape, b: Shape): number[] | undefined => {
  const rank = Math.max(a.length, b.length);
  const at = (s: Shape, i: number) => s[i - rank + s.length] ?? 1;
  const out = Array.from({ length: rank }, (_, i) => (at(a, i) === 1 ? at(b, i) : at(a, i)));
  return out.every((n, i) => [1, n].includes(at(a, i)) && [1, n].includes(at(b, i))) ? out : undefined;
};

/** Another value that broadcasts against x: one that is there, or a weight. */
function partner(d: Drawing, x: Drawn): Drawn {
  const fitting = d.values.filter((v) => v !== x && broadcast(v.shape, x.shape));
  if (fitting.length > 0 && d.chance(0.6)) return d.pick(fitting);
  const drop = d.below(x.shape.length + 1);
  return d.weight(x.shape.slice(drop).map((n) => (d.chance(0.25) ? 1 : n)));
}

const binary =
  (op: string): Step =>
  (d, x) => {
    const other = partner(d, x);
    const shape = broadcast(x.shape, other.shape);
    if (shape === undefined || size(shape) > 400) return undefined;
    const pair = d.chance(0.5) ? [x.name, other.name] : [other.name, x.name];
    return d.bounded(d.add(op, pair, shape));
  };

const axisOf = (d: Drawing, x: Drawn): number => d.below(x.shape.length);
/** Old opsets count axes from the front only. */
const written = (d: Drawing, axis: number, rank: number) =>
  d.opset >= 13 && d.chance(0.4) ? axis - rank : axis;

const reduction =
  (op: string): Step =>
  (d, x) => {
    const rank = x.shape.length;
    if (rank === 0 || size(x.shape) === 0) return undefined;
    const axes = x.shape.map((_, i) => i).filter(() => d.chance(0.6));
    if (axes.length === 0) axes.push(0);
    const keepdims = d.below(2);
    const shape = keepdims
      ? x.shape.map((n, i) => (axes.includes(i) ? 1 : n))
      : x.shape.filter((_, i) => !axes.includes(i));
    const given = axes.map((axis) => written(d, axis, rank));
    const asInput = d.opset >= 18 || (op === 'ReduceSum' && d.opset >= 13);
    const v = /Log/.test(op) ? within('Exp', 1, 0)(d, x) : x;
    if (v === undefined) return undefined;
    const y = asInput
      ? d.add(op, [v.name, d.integers(given)], shape, { keepdims })
      : d.add(op, [v.name], shape, { keepdims, axes: given });
    return d.bounded(y);
  };

const squeezeTo = (d: Drawing, op: string, x: Drawn, axes: readonly number[], shape: Shape) =>
  d.opset >= 13 ? d.add(op, [x.name, d.integers(axes)], shape) : d.add(op, [x.name], shape, { axes });

const shaped: Record<string, Step> = {
  Transpose: (d, x) => {
    const perm = x.shape.map((_, i) => i).toSorted(() => d.next() - 0.5);
    return d.add(
      'Transpose',
      [x.name],
      perm.map((i) => x.shape[i]),
      { perm },
    );
  },
  Flatten: (d, x) => {
    const axis = d.below(x.shape.length + 1);
    return d.add('Flatten', [x.name], [size(x.shape.slice(0, axis)), size(x.shape.slice(axis))], { axis });
  },
  Reshape: (d, x) => {
    const n = size(x.shape);
    const to = d.pick([
      [n],
      [1, n],
      [n, 1],
      ...(n % 2 === 0 && n > 0
        ? [
            [2, n / 2],
            [n / 2, 1, 2],
          ]
        : []),
    ]);
    const infer = n > 0 ? d.below(to.length + 1) : to.length;
    return d.add('Reshape', [x.name, d.integers(to.map((v, i) => (i === infer ? -1 : v)))], to);
  },
  Unsqueeze: (d, x) => {
    if (x.shape.length > 3) return undefined;
    const axis = d.below(x.shape.length + 1);
    return squeezeTo(d, 'Unsqueeze', x, [axis], x.shape.toSpliced(axis, 0, 1));
  },
  Squeeze: (d, x) => {
    const axis = x.shape.indexOf(1);
    return axis < 0 ? undefined : squeezeTo(d, 'Squeeze', x, [axis], x.shape.toSpliced(axis, 1));
  },
  Expand: (d, x) => {
    const shape = x.shape.map((n) => (n === 1 ? 1 + d.below(3) : n));
    return size(shape) > 200 ? undefined : d.add('Expand', [x.name, d.integers(shape)], shape);
  },
  Concat: (d, x) => {
    if (x.shape.length === 0) return undefined;
    const axis = axisOf(d, x);
    const like = d.values.find(
      (v) =>
        v !== x &&
        v.shape.length === x.shape.length &&
        v.shape.every((n, i) => i === axis || n === x.shape[i]),
    );
    const other = like ?? d.weight(x.shape.map((n, i) => (i === axis ? d.below(3) : n)));
    const shape = x.shape.map((n, i) => (i === axis ? n + other.shape[i] : n));
    return size(shape) > 300
      ? undefined
      : d.add('Concat', [x.name, other.name], shape, { axis: written(d, axis, shape.length) });
  },
  Split: (d, x) => {
    const axis = x.shape.findIndex((n) => n >= 2);
    if (axis < 0) return undefined;
    const parts = [1, x.shape[axis] - 1];
    const shape = x.shape.map((n, i) => (i === axis ? 1 : n));
    return d.opset >= 13
      ? d.add('Split', [x.name, d.integers(parts)], shape, { axis }, 1)
      : d.add('Split', [x.name], shape, { axis, split: parts }, 1);
  },
  Slice: (d, x) => {
    const axis = x.shape.findIndex((n) => n >= 2);
    if (axis < 0) return undefined;
    const n = x.shape[axis];
    const back = d.opset >= 10 && d.chance(0.3);
    const [start, end] = back ? [-1, -n - 1] : [d.below(2), n];
    const shape = x.shape.map((m, i) => (i === axis ? (back ? n : n - start) : m));
    if (d.opset < 10) return d.add('Slice', [x.name], shape, { starts: [start], ends: [end], axes: [axis] });
    const parts = [[start], [end], [axis], ...(back ? [[-1]] : [])].map((v) => d.integers(v));
    return d.add('Slice', [x.name, ...parts], shape);
  },
  Pad: (d, x) => {
    if (x.shape.length === 0 || size(x.shape) === 0 || size(x.shape) > 60) return undefined;
    const mode = d.pick(['constant', 'edge', ...(x.shape.every((n) => n > 1) ? ['reflect'] : [])]);
    const pads = [...x.shape, ...x.shape].map(() => d.below(2));
    const shape = x.shape.map((n, i) => n + pads[i] + pads[i + x.shape.length]);
    return d.opset >= 11
      ? d.add('Pad', [x.name, d.integers(pads)], shape, { mode })
      : d.add('Pad', [x.name], shape, { mode, pads });
  },
  Tile: (d, x) => {
    if (size(x.shape) > 60 || x.shape.length === 0) return undefined;
    const repeats = x.shape.map(() => 1 + d.below(2));
    return d.add(
      'Tile',
      [x.name, d.integers(repeats)],
      x.shape.map((n, i) => n * repeats[i]),
    );
  },
  Gather: (d, x) => {
    if (x.shape.length === 0) return undefined;
    const axis = axisOf(d, x);
    if (x.shape[axis] === 0) return undefined;
    const count = d.below(4);
    const picked = Array.from({ length: count }, () => d.below(x.shape[axis]));
    const scalar = d.chance(0.2);
    const indices = scalar ? d.integers([d.below(x.shape[axis])], []) : d.integers(picked);
    return d.add('Gather', [x.name, indices], x.shape.toSpliced(axis, 1, ...(scalar ? [] : [count])), {
      axis,
    });
  },
  GatherElements: (d, x) => {
    if (d.opset < 11 || x.shape.length === 0 || size(x.shape) === 0) return undefined;
    const axis = axisOf(d, x);
    const shape = x.shape.map((n, i) => (i === axis ? 1 + d.below(3) : n));
    const picked = Array.from({ length: size(shape) }, () => d.below(x.shape[axis]));
    return d.add('GatherElements', [x.name, d.integers(picked, shape)], shape, { axis });
  },
  GatherND: (d, x) => {
    if (d.opset < 11 || x.shape.length === 0 || x.shape[0] === 0) return undefined;
    const picked = [d.below(x.shape[0]), d.below(x.shape[0])];
    return d.add('GatherND', [x.name, d.integers(picked, [2, 1])], [2, ...x.shape.slice(1)]);
  },
  ScatterElements: (d, x) => {
    if (d.opset < 11 || x.shape.length === 0 || size(x.shape) === 0) return undefined;
    const axis = axisOf(d, x);
    const shape = x.shape.map((n, i) => (i === axis ? 1 : n));
    const at = Array<number>(size(shape)).fill(d.below(x.shape[axis]));
    const reduction =
      d.opset >= 18
        ? d.pick(['none', 'add', 'mul', 'max'])
        : d.opset >= 16
          ? d.pick(['none', 'add'])
          : undefined;
    return d.add('ScatterElements', [x.name, d.integers(at, shape), d.weight(shape).name], x.shape, {
      axis,
      ...(reduction && { reduction }),
    });
  },
  Trilu: (d, x) =>
    d.opset < 14 || x.shape.length < 2 ? undefined : d.add('Trilu', [x.name], x.shape, { upper: d.below(2) }),
  CumSum: (d, x) =>
    d.opset < 11 || x.shape.length === 0
      ? undefined
      : d.bounded(
          d.add('CumSum', [x.name, d.integers([axisOf(d, x)], [])], x.shape, { reverse: d.below(2) }),
        ),
  Compress: (d, x) => {
    const axis = x.shape.findIndex((n) => n >= 2);
    if (axis < 0) return undefined;
    const mask = d.name('mask');
    d.initializers.push(tensorOf(mask, DType.BOOL, [2], [1, d.below(2)]));
    const kept = d.initializers.at(-1)?.rawData.reduce((a, b) => a + b, 0) ?? 0;
    return d.add(
      'Compress',
      [x.name, mask],
      x.shape.map((n, i) => (i === axis ? kept : n)),
      { axis },
    );
  },
  TopK: (d, x) => {
    if (d.opset < 11 || x.shape.length === 0 || size(x.shape) === 0) return undefined;
    const axis = axisOf(d, x);
    const k = 1 + d.below(x.shape[axis]);
    return d.add(
      'TopK',
      [x.name, d.integers([k])],
      x.shape.map((n, i) => (i === axis ? k : n)),
      { axis, largest: d.below(2) },
      1,
    );
  },
  Unique: (d, x) =>
    d.opset < 11 || x.shape.length !== 1 || size(x.shape) === 0
      ? undefined
      : d.add('Unique', [x.name], x.shape, { sorted: d.below(2) }),
  ReverseSequence: (d, x) => {
    if (d.opset < 10 || x.shape.length < 2 || size(x.shape) === 0) return undefined;
    const lengths = Array.from({ length: x.shape[1] }, () => 1 + d.below(x.shape[0]));
    return d.add('ReverseSequence', [x.name, d.integers(lengths)], x.shape, { time_axis: 0, batch_axis: 1 });
  },
  Shape: (d, x) => {
    const cast = d.add('Cast', [d.add('Shape', [x.name], [x.shape.length]).name], [x.shape.length], {
      to: d.float,
    });
    if (x.shape.length === 0) return undefined;
    const shape = broadcast(x.shape, [1]) ?? x.shape;
    const size = d.add('ReduceMean', [cast.name], [], { keepdims: 0 });
    return d.bounded(d.add('Mul', [x.name, size.name], shape));
  },
};

const normalized: Record<string, Step> = {
  Softmax: (d, x) =>
    x.shape.length === 0 || size(x.shape) === 0
      ? undefined
      : d.add(d.pick(['Softmax', 'LogSoftmax']), [x.name], x.shape, {
          axis: d.opset >= 13 ? axisOf(d, x) : x.shape.length - 1,
        }),
  LayerNormalization: (d, x) => {
    const last = x.shape.at(-1);
    if (d.opset < 17 || last === undefined || last < 2) return undefined;
    return d.add(
      'LayerNormalization',
      [x.name, d.weight([last]).name, ...(d.chance(0.6) ? [d.weight([last]).name] : [])],
      x.shape,
      { axis: -1, epsilon: 0.1 },
    );
  },
  RMSNormalization: (d, x) => {
    const last = x.shape.at(-1);
    if (d.opset < 23 || last === undefined || last < 2) return undefined;
    return d.add('RMSNormalization', [x.name, d.weight([last]).name], x.shape, { axis: -1, epsilon: 0.1 });
  },
  InstanceNormalization: (d, x) => {
    if (x.shape.length < 3 || size(x.shape.slice(2)) < 2 || size(x.shape) === 0) return undefined;
    const [, c] = x.shape;
    return d.add('InstanceNormalization', [x.name, d.weight([c]).name, d.weight([c]).name], x.shape, {
      epsilon: 0.1,
    });
  },
  BatchNormalization: (d, x) => {
    if (x.shape.length < 2 || size(x.shape) === 0) return undefined;
    const [, c] = x.shape;
    const [mean, variance] = [d.name('mean'), d.name('var')];
    d.initializers.push(
      tensorOf(mean, d.float, [c], d.reals([c])),
      tensorOf(
        variance,
        d.float,
        [c],
        d.reals([c]).map((v) => 1 + v / 2),
      ),
    );
    return d.add(
      'BatchNormalization',
      [x.name, d.weight([c]).name, d.weight([c]).name, mean, variance],
      x.shape,
      { epsilon: 0.1 },
    );
  },
  LRN: (d, x) =>
    x.shape.length < 3 || size(x.shape) === 0
      ? undefined
      : d.add('LRN', [x.name], x.shape, { size: 3, alpha: 0.5 }),
  LpNormalization: (d, x) =>
    x.shape.length === 0 || size(x.shape) === 0
      ? undefined
      : d.add('LpNormalization', [x.name], x.shape, { axis: axisOf(d, x), p: 1 + d.below(2) }),
};

/** Spatial sizes after a window. */
const windowed = (sizes: Shape, kernel: number, stride: number, pads: number) =>
  sizes.map((n) => Math.floor((n + pads - kernel) / stride) + 1);

const windows: Record<string, Step> = {
  Conv: (d, x) => {
    const axes = x.shape.length - 2;
    if (axes < 1 || axes > 2 || size(x.shape) === 0) return undefined;
    const [n, c, ...sizes] = x.shape;
    const kernel = 1 + d.below(2);
    const stride = 1 + d.below(2);
    const pad = d.below(2);
    const out = windowed(sizes, kernel, stride, 2 * pad);
    if (out.some((m) => m < 1)) return undefined;
    const [group, outer] = d.chance(0.2) ? [c, c] : [1, 1 + d.below(3)];
    const inputs = [
      x.name,
      d.weight([outer, c / group, ...sizes.map(() => kernel)]).name,
      ...(d.chance(0.5) ? [d.weight([outer]).name] : []),
    ];
    const all = (v: number, count = axes) => Array<number>(count).fill(v);
    return d.bounded(
      d.add('Conv', inputs, [n, outer, ...out], { strides: all(stride), pads: all(pad, 2 * axes), group }),
    );
  },
  ConvTranspose: (d, x) => {
    const axes = x.shape.length - 2;
    if (axes < 1 || axes > 2 || size(x.shape) === 0 || size(x.shape) > 60) return undefined;
    const [n, c, ...sizes] = x.shape;
    const [kernel, stride] = [1 + d.below(3), 1 + d.below(2)];
    const way = d.below(3);
    const natural = sizes.map((m) => stride * (m - 1) + kernel);
    const out =
      way === 1
        ? natural.map((m) => Math.max(1, m - 1))
        : way === 2
          ? sizes.map((m, i) => Math.min(m * stride, natural[i]))
          : natural;
    const attributes: AttributeValues = {
      strides: sizes.map(() => stride),
      ...(way === 1 && { output_shape: out }),
      ...(way === 2 && { auto_pad: d.pick(['SAME_UPPER', 'SAME_LOWER']) }),
    };
    return d.bounded(
      d.add(
        'ConvTranspose',
        [x.name, d.weight([c, 2, ...sizes.map(() => kernel)]).name],
        [n, 2, ...out],
        attributes,
      ),
    );
  },
  Pool: (d, x) => {
    const axes = x.shape.length - 2;
    if (axes < 1 || axes > 2 || size(x.shape) === 0) return undefined;
    const [n, c, ...sizes] = x.shape;
    const [kernel, stride] = [2, 1 + d.below(2)];
    const out = windowed(sizes, kernel, stride, 0);
    if (out.some((m) => m < 1)) return undefined;
    return d.add(d.pick(['MaxPool', 'AveragePool', 'LpPool']), [x.name], [n, c, ...out], {
      kernel_shape: sizes.map(() => kernel),
      strides: sizes.map(() => stride),
    });
  },
  GlobalPool: (d, x) =>
    x.shape.length < 3 || size(x.shape) === 0
      ? undefined
      : d.add(
          d.pick(['GlobalMaxPool', 'GlobalAveragePool', 'GlobalLpPool']),
          [x.name],
          [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)],
        ),
  Resize: (d, x) => {
    if (d.opset < 11 || x.shape.length !== 4 || size(x.shape) === 0 || size(x.shape) > 80) return undefined;
    const [n, c, ...sizes] = x.shape;
    const to = sizes.map((m) => m + 1 + d.below(2));
    return d.add(
      'Resize',
      [x.name, d.opset >= 13 ? '' : emptyRoi(d), d.opset >= 13 ? '' : emptyRoi(d), d.integers([n, c, ...to])],
      [n, c, ...to],
      {
        mode: d.pick(['nearest', 'linear', 'cubic']),
        coordinate_transformation_mode: d.pick(['half_pixel', 'asymmetric', 'align_corners']),
      },
    );
  },
  DepthToSpace: (d, x) => {
    if (x.shape.length !== 4 || size(x.shape) === 0) return undefined;
    const [n, c, h, w] = x.shape;
    if (h % 2 === 0 && w % 2 === 0)
      return d.add('SpaceToDepth', [x.name], [n, 4 * c, h / 2, w / 2], { blocksize: 2 });
    return c % 4 === 0
      ? d.add('DepthToSpace', [x.name], [n, c / 4, 2 * h, 2 * w], { blocksize: 2 })
      : undefined;
  },
  GridSample: (d, x) => {
    if (d.opset < 16 || x.shape.length !== 4 || size(x.shape) === 0 || size(x.shape) > 80) return undefined;
    const [n, c] = x.shape;
    return d.add('GridSample', [x.name, d.weight([n, 2, 2, 2]).name], [n, c, 2, 2], {
      mode: d.opset < 20 ? 'bilinear' : 'linear',
      padding_mode: d.pick(['zeros', 'border']),
    });
  },
  RoiAlign: (d, x) => {
    if (d.opset < 10 || x.shape.length !== 4 || size(x.shape) === 0) return undefined;
    const rois = d.name('rois');
    d.initializers.push(tensorOf(rois, d.float, [2, 4], [0.13, 0.21, 1.37, 1.52, 0.31, 0.11, 2.2, 1.9]));
    return d.add('RoiAlign', [x.name, rois, d.integers([0, x.shape[0] - 1])], [2, x.shape[1], 2, 1], {
      output_height: 2,
      output_width: 1,
      mode: d.pick(['avg', 'max']),
      sampling_ratio: d.below(3),
    });
  },
};

const emptyRoi = (d: Drawing): string => {
  const name = d.name('empty');
  d.initializers.push(tensorOf(name, DType.FLOAT, [0], []));
  return name;
};

const products: Record<string, Step> = {
  MatMul: (d, x) => {
    const k = x.shape.at(-1);
    if (k === undefined) return undefined;
    const n = 1 + d.below(3);
    const vector = d.chance(0.15);
    const w = d.weight(vector ? [k] : [k, n]);
    return d.bounded(
      d.add('MatMul', [x.name, w.name], vector ? x.shape.slice(0, -1) : [...x.shape.slice(0, -1), n]),
    );
  },
  Gemm: (d, x) => {
    if (x.shape.length !== 2) return undefined;
    const [transA, transB] = [d.below(2), d.below(2)];
    const [m, k] = transA ? x.shape.toReversed() : x.shape;
    const n = 1 + d.below(3);
    const w = d.weight(transB ? [n, k] : [k, n]);
    const bias = d.opset >= 11 && d.chance(0.3) ? [] : [d.weight(d.pick([[n], [1, n], [m, n]])).name];
    return d.bounded(
      d.add('Gemm', [x.name, w.name, ...bias], [m, n], {
        transA,
        transB,
        alpha: d.pick([1, 0.5]),
        // Without anything to sum, ONNX Runtime ignores beta (1.30).
        beta: k > 0 ? d.pick([1, 2]) : 1,
      }),
    );
  },
  Einsum: (d, x) => {
    const k = x.shape.at(-1);
    if (d.opset < 12 || x.shape.length !== 2 || k === undefined) return undefined;
    return d.bounded(
      d.add('Einsum', [x.name, d.weight([k, 2]).name], [2, x.shape[0]], { equation: 'ij,jk->ki' }),
    );
  },
};

const recurrent: Step = (d, x) => {
  if (x.shape.length !== 3 || size(x.shape) === 0) return undefined;
  const [time, batch, width] = x.shape;
  const [op, gates] = d.pick([
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const);
  const direction = d.pick(['forward', 'reverse', 'bidirectional']);
  const count = direction === 'bidirectional' ? 2 : 1;
  const inputs = [d.weight([count, gates * 2, width]), d.weight([count, gates * 2, 2])];
  if (d.chance(0.5)) inputs.push(d.weight([count, gates * 4]));
  return d.add(op, [x.name, ...inputs.map(({ name }) => name)], [time, count, batch, 2], {
    hidden_size: 2,
    direction,
    ...(op === 'GRU' && { linear_before_reset: d.below(2) }),
  });
};

/** A graph of one or two nodes for inside another, which reads values from outside. */
function inside(
  d: Drawing,
  reads: readonly string[],
  stem: string,
): { nodes: NodeProto[]; initializers: TensorProto[]; output: string } {
  const own = d.name(`${stem}_c`);
  const [mid, output] = [d.name(`${stem}_m`), d.name(`${stem}_y`)];
  const tensor = tensorOf(own, d.float, [], [0.3 + d.next()]);
  const asConstant = d.chance(0.5);
  const first = node(d.pick(['Add', 'Mul', 'Sub']), [d.pick(reads), reads[0]], mid);
  return {
    nodes: [
      ...(asConstant ? [node('Constant', [], own, { value: tensor })] : []),
      first,
      node(d.pick(['Mul', 'Add']), [mid, own], output),
    ],
    initializers: asConstant ? [] : [tensor],
    output,
  };
}

const control: Record<string, Step> = {
  If: (d, x) => {
    const sum =
      d.opset >= 13
        ? d.add('ReduceSum', [x.name], [], { keepdims: 0 })
        : d.add('ReduceSum', [x.name], [], { keepdims: 0, axes: x.shape.map((_, i) => i) });
    if (x.shape.length === 0) return undefined;
    const condition = d.add('Greater', [sum.name, d.number(0.05)], []);
    const other = d.values.find((v) => v !== x && v.shape.join() === x.shape.join()) ?? d.weight(x.shape);
    const [then, otherwise] = ['then', 'else'].map((stem) => inside(d, [x.name, other.name], stem));
    for (const name of [x.name, other.name]) d.used.add(name);
    const branch = ({ nodes, initializers, output }: ReturnType<typeof inside>) =>
      graphOf({ outputs: { [output]: { dtype: d.float, shape: x.shape } }, nodes, initializers });
    return d.bounded(
      d.add('If', [condition.name], x.shape, { then_branch: branch(then), else_branch: branch(otherwise) }),
    );
  },
  Loop: (d, x) => {
    if (d.opset < 11) return undefined;
    const trips = d.integers([1 + d.below(3)], []);
    const on = d.name('on');
    d.initializers.push(tensorOf(on, DType.BOOL, [], [1]));
    const [i, go, state, next] = ['i', 'go', 'state', 'next'].map((stem) => d.name(stem));
    const w = d.weight(x.shape);
    const made = inside(d, [state, w.name], 'loop');
    const goes = d.name('goes');
    const body = graphOf({
      inputs: {
        [i]: { dtype: DType.INT64, shape: [] },
        [go]: { dtype: DType.BOOL, shape: [] },
        [state]: { dtype: d.float, shape: x.shape },
      },
      outputs: { [goes]: { dtype: DType.BOOL, shape: [] }, [next]: { dtype: d.float, shape: x.shape } },
      nodes: [...made.nodes, node('Tanh', [made.output], next), node('Identity', [go], goes)],
      initializers: made.initializers,
    });
    return d.add('Loop', [trips, on, x.name], x.shape, { body });
  },
  Scan: (d, x) => {
    const [steps, ...rest] = x.shape;
    if (d.opset < 11 || x.shape.length < 1 || steps === 0) return undefined;
    const [state, slice, next, out] = ['s', 'x', 'n', 'o'].map((stem) => d.name(stem));
    const made = inside(d, [slice, state], 'scan');
    const body = graphOf({
      inputs: { [state]: { dtype: d.float, shape: rest }, [slice]: { dtype: d.float, shape: rest } },
      outputs: { [next]: { dtype: d.float, shape: rest }, [out]: { dtype: d.float, shape: rest } },
      nodes: [...made.nodes, node('Tanh', [made.output], next), node('Sigmoid', [next], out)],
      initializers: made.initializers,
    });
    const final = d.name('final');
    const y = { name: d.name('scan'), shape: x.shape };
    d.nodes.push(node('Scan', [d.weight(rest).name, x.name], [final, y.name], { body, num_scan_inputs: 1 }));
    d.used.add(x.name);
    return y;
  },
  Function: (d, x) => {
    const name = `Own${d.functions.length}`;
    const k = x.shape.at(-1);
    if (d.opset < 13 || k === undefined) return undefined;
    const [op, two] = [d.pick(['Mul', 'Add']), d.pick(['Tanh', 'Sigmoid', 'Sin'])];
    d.functions.push(
      create(FunctionProtoSchema, {
        name,
        domain: 'own',
        input: ['a', 'b'],
        output: ['y'],
        node: [node(op, ['a', 'b'], 't'), node(two, ['t'], 'y')],
        opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(d.opset) })],
      }),
    );
    return d.add(`own::${name}`, [x.name, d.weight([k]).name], x.shape);
  },
  Where: (d, x) => {
    const other = partner(d, x);
    const shape = broadcast(x.shape, other.shape);
    if (shape === undefined || size(shape) > 400) return undefined;
    const condition = d.add('Greater', [x.name, d.number(0.1)], x.shape);
    return d.add('Where', [condition.name, x.name, other.name], shape);
  },
  Clip: (d, x) =>
    d.opset >= 11
      ? d.add('Clip', [x.name, d.number(-0.7), d.number(0.6)], x.shape)
      : d.add('Clip', [x.name], x.shape, { min: -0.7, max: 0.6 }),
  PRelu: (d, x) => {
    const slope = d.weight(x.shape.slice(-1));
    return d.add('PRelu', [x.name, slope.name], x.shape);
  },
  Sum: (d, x) => {
    const list = [x, partner(d, x)].map((v) => v);
    const shape = broadcast(list[0].shape, list[1].shape);
    return shape && size(shape) < 400
      ? d.bounded(
          d.add(
            d.pick(['Sum', 'Max', 'Min', 'Mean']),
            list.map(({ name }) => name),
            shape,
          ),
        )
      : undefined;
  },
  Dropout: (d, x) => d.add('Dropout', [x.name], x.shape),
  Attention: (d, x) => {
    if (d.opset < 23 || x.shape.length !== 3 || size(x.shape) === 0) return undefined;
    const [n, , k] = x.shape;
    const other = d.weight([n, 2, k]);
    return d.add('Attention', [x.name, other.name, other.name], x.shape, { q_num_heads: 1, kv_num_heads: 1 });
  },
  CastLike: (d, x) => (d.opset < 15 ? undefined : d.add('CastLike', [x.name, d.number(1)], x.shape)),
};

const steps: readonly (readonly [string, Step])[] = [
  ...[
    'Tanh',
    'Sigmoid',
    'Sin',
    'Cos',
    'Relu',
    'Abs',
    'Neg',
    'Softplus',
    'Softsign',
    'Erf',
    'Atan',
    'Identity',
  ].map((op) => [op, unary(op)] as const),
  ...['Floor', 'Sign', 'Ceil'].map((op): [string, Step] => [
    op,
    (d, x) => d.add('Add', [x.name, d.add(op, [x.name], x.shape).name], x.shape),
  ]),
  ...['Floor', 'Sign', 'Ceil'].map(
    (op) =>
      [
        op,
        (d: Drawing, x: Drawn) => d.add('Add', [x.name, d.add(op, [x.name], x.shape).name], x.shape),
      ] as const,
  ),
  ...['Sinh', 'Cosh', 'Asinh', 'Tan'].map((op) => [op, within(op, 1, 0)] as const),
  ...['Asin', 'Acos', 'Atanh'].map((op) => [op, within(op, 0.9, 0)] as const),
  ...['Log', 'Sqrt', 'Reciprocal'].map((op) => [op, within(op, 1, 0.5)] as const),
  ['Acosh', within('Acosh', 1, 1.2)],
  ['Exp', within('Exp', 1, 0)],
  ['Elu', unary('Elu', { alpha: 0.7 })],
  ['Selu', unary('Selu')],
  ['Celu', unary('Celu', { alpha: 0.8 }, 12)],
  ['LeakyRelu', unary('LeakyRelu', { alpha: 0.1 })],
  ['ThresholdedRelu', unary('ThresholdedRelu', { alpha: 0.1 })],
  ['HardSigmoid', unary('HardSigmoid', { alpha: 0.4 })],
  ['HardSwish', unary('HardSwish', {}, 14)],
  ['Shrink', unary('Shrink', { lambd: 0.2 })],
  ['Mish', unary('Mish', {}, 18)],
  ['Gelu', unary('Gelu', {}, 20)],
  ...['Add', 'Sub', 'Mul', 'Add', 'Mul'].map((op) => [op, binary(op)] as const),
  ['Div', (d, x) => d.bounded(d.add('Div', [x.name, within('Exp', 1, 0)(d, x)?.name ?? x.name], x.shape))],
  ['Pow', (d, x) => d.bounded(d.add('Pow', [x.name, d.number(d.pick([2, 3]))], x.shape))],
  ...[
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceL1',
    'ReduceL2',
    'ReduceProd',
    'ReduceSumSquare',
    'ReduceLogSum',
    'ReduceLogSumExp',
  ].map((op) => [op, reduction(op)] as const),
  ...Object.entries(shaped),
  ...Object.entries(normalized),
  ...Object.entries(windows),
  ...Object.entries(windows),
  ...Object.entries(products),
  ...Object.entries(products),
  ['recurrent', recurrent],
  ...Object.entries(control),
];

/** Draws a file. */
export function randomModel(seed: number): RandomModel {
  const d = new Drawing(seed);
  const symbols = d.chance(0.5);
  const inputs: Record<string, Shape> = {};
  const described: Record<string, { dtype: number; shape: (number | string)[] }> = {};
  for (let i = 0; i <= d.below(2); i++) {
    const rank = d.pick([0, 1, 2, 2, 3, 3, 4, 4]);
    const empty = d.chance(0.03);
    const shape = Array.from({ length: rank }, (_, k) => (empty && k > 0 ? 0 : 1 + d.below(4)));
    const name = d.name('x');
    inputs[name] = shape;
    described[name] = {
      dtype: d.float,
      shape: shape.map((n, k) => (symbols && d.chance(k === 0 ? 0.9 : 0.3) ? `s${i}_${k}` : n)),
    };
    // Something is always trained.
    d.values.push(d.add(d.pick(['Mul', 'Add']), [name, d.weight(shape).name], shape));
  }
  const wanted = 2 + d.below(9);
  const ops: string[] = [];
  for (let tries = 0; ops.length < wanted && tries < 400; tries++) {
    const [name, step] = d.pick(steps);
    const x = d.value();
    if (size(x.shape) > 300) continue;
    const made = step(d, x);
    if (made === undefined) continue;
    d.values.push(made);
    ops.push(name);
  }
  const last = d.values.at(-1) ?? { name: '', shape: [] };
  const output = d.add('Identity', [last.name], last.shape);
  const graph = graphOf({
    inputs: described,
    outputs: { [output.name]: { dtype: d.float, shape: output.shape.map((_, k) => `y_${k}`) } },
    initializers: d.initializers,
    nodes: d.nodes,
  });
  const opsetImport = [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(d.opset) })];
  if (d.functions.length > 0)
    opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'own', version: 1n }));
  const bytes = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: d.opset < 13 ? 6n : 8n,
      opsetImport,
      graph,
      functions: d.functions,
    }),
  );
  const names = d.weights.map(({ name }) => name);
  return {
    bytes,
    opset: d.opset,
    double: d.float === DType.DOUBLE,
    inputs,
    output: output.name,
    weights: names,
    ops,
  };
}
