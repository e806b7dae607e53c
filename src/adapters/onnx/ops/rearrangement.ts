import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule } from '../ir/samples.ts';
import {
  axisFrom,
  productOf,
  range,
  sumOf,
  unknownDimension,
  unknownShape,
  type Dimension,
} from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { imageSamples, sameType } from './common.ts';
import { gatherBack } from './gatherBack.ts';
import { mapFirstInput, mapSamples } from './vmap/broadcasting.ts';
import { mapPad, mapTile } from './vmap/shapes.ts';

const inferPad: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  if (shape === undefined) return [{ dtype }];
  const pads = c.integers(1);
  const axes = c.has(3) ? c.integers(3)?.map((axis) => axisFrom(axis, shape.length)) : range(shape.length);
  if (pads === undefined || axes === undefined) return [{ dtype, shape: unknownShape(shape.length) }];
  const result = [...shape];
  axes.forEach((axis, k) => {
    const added = pads[k] + pads[k + axes.length];
    if (added !== 0) result[axis] = sumOf([shape[axis], added]);
  });
  return [{ dtype, shape: result }];
};

const padSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const rank = rankOfInput(c, 0);
  const pads = c.constant(1) ? numbersOf(c.constant(1) ?? unclear()) : c.integers(1);
  const axes = c.node.input[3] ? (c.integers(3) ?? unclear()) : range(rank);
  const k = axes.findIndex((axis) => axisFrom(axis, rank) === samples.axis);
  if (k >= 0 && (pads?.[k] !== 0 || pads[k + axes.length] !== 0)) meet('it pads the batch');
  return samples;
};

const triluSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (samples.axis >= rankOfInput(c, 0) - 2) meet('its triangle includes the batch axis');
  return samples;
};

/**
 * Negative padding undoes constant padding, and the fill value gets the rest of the cotangent. Other modes copy elements,
 * which then collect the cotangents of their copies.
 */
function pad({ g, inputs: [x, pads, value, axes], dy, needs, attributes }: VjpContext) {
  const mode = attributes.string('mode', 'constant');
  const along = axes || undefined;
  if (mode !== 'constant') {
    const moved = (indices: Value) => g.pad(indices, pads, undefined, along, mode);
    return [needs(0) && gatherBack(g, x, dy, moved), undefined, undefined];
  }
  const put = () => g.pad(g.zerosLike(x), pads, 1, along);
  return [
    needs(0) && g.pad(dy, g.neg(pads), undefined, along),
    undefined,
    needs(2) && g.reshapeLike(g.sumOfAll(g.mul(dy, put())), value),
  ];
}

const depthToSpace: VjpRule = ({ g, inputs: [x], dy, attributes }) => {
  const blocksize = attributes.int('blocksize', 1);
  if (attributes.string('mode', 'DCR') === 'DCR') return [g.op('SpaceToDepth', [dy], { blocksize })];
  const block = g.integers([blocksize]);
  const split = g.concat([g.integers([0, 0]), g.sizes(x, [2]), block, g.sizes(x, [3]), block], 0);
  return [g.reshapeLike(g.transpose(g.reshape(dy, split), [0, 1, 3, 5, 2, 4]), x)];
};

/** Crops axes around their middle, or pads them with zeros on both sides. */
const centerCropPad: Lowering = (g, node, attributes) => {
  const [x, target] = node.input;
  const rank = g.rank(x);
  const axes = attributes.ints('axes')?.map((axis) => axisFrom(axis, rank)) ?? range(rank);
  const zeros = g.integers(axes.map(() => 0));
  const sizes = g.sizes(x, axes);
  const wanted = g.cast(target, DType.INT64);
  const two = g.integers([2]);
  const excess = g.max(g.sub(sizes, wanted), zeros);
  const start = g.div(excess, two);
  const kept = g.min(sizes, wanted);
  const cropped = g.slices(x, start, g.add(start, kept), axes);
  const missing = g.max(g.sub(wanted, sizes), zeros);
  const before = g.div(missing, two);
  const pads = g.concat([before, g.sub(missing, before)], 0);
  return [g.pad(cropped, pads, undefined, g.integers(axes))];
};

function upgradePad({ node, attributes, from, integers, scalar, drop }: UpgradeContext): void {
  if (from >= 11) return;
  node.input[1] = integers(attributes.ints('pads') ?? []);
  if (attributes.has('value')) node.input[2] = scalar(attributes.float('value', 0));
  drop('pads', 'value');
}

/** Ops that pad, repeat and rearrange elements. */
export const rearrangement: OpTable = {
  Pad: { infer: inferPad, samples: padSamples, sizes: [1], vjp: pad, upgrade: upgradePad, vmap: mapPad },
  Tile: {
    carries: 'some',
    infer(c) {
      const repeats = c.contents(1);
      const times = (size: Dimension, i: number) =>
        repeats ? productOf([size, repeats[i]]) : unknownDimension();
      return [{ dtype: c.dtype(0), shape: c.shape(0)?.map(times) }];
    },
    samples(c) {
      const samples = onlyFirst(c);
      if (c.integers(1)?.[samples.axis] !== 1) meet('it repeats the batch');
      return samples;
    },
    sizes: [1],
    vjp: ({ g, inputs: [x, repeats], dy }) => [gatherBack(g, x, dy, (indices) => g.tile(indices, repeats))],
    vmap: mapTile,
  },
  Trilu: {
    infer: sameType,
    samples: triluSamples,
    vjp: ({ g, inputs, dy, attributes }) => [
      g.op('Trilu', [dy, inputs[1]], { upper: attributes.int('upper', 1) }),
    ],
    vmap: mapFirstInput,
  },
  DepthToSpace: {
    infer(c) {
      const b = c.attributes.int('blocksize', 1);
      const s = c.shape(0);
      const wider = (size: Dimension) => productOf([size, b]);
      const fewer = s && typeof s[1] === 'number' ? s[1] / (b * b) : unknownDimension();
      return [{ dtype: c.dtype(0), shape: s && [s[0], fewer, wider(s[2]), wider(s[3])] }];
    },
    samples: imageSamples,
    vjp: depthToSpace,
    vmap: mapSamples,
  },
  SpaceToDepth: {
    infer(c) {
      const b = c.attributes.int('blocksize', 1);
      const s = c.shape(0);
      const narrower = (size: Dimension) => (typeof size === 'number' ? size / b : unknownDimension());
      return [
        { dtype: c.dtype(0), shape: s && [s[0], productOf([s[1], b * b]), narrower(s[2]), narrower(s[3])] },
      ];
    },
    samples: imageSamples,
    vjp: ({ g, dy, attributes }) => [
      g.op('DepthToSpace', [dy], { blocksize: attributes.int('blocksize', 1), mode: 'DCR' }),
    ],
    vmap: mapSamples,
  },
  CenterCropPad: { as: { read: centerCropPad } },
};
