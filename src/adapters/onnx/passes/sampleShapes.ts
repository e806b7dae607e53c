import { refuse } from '../ir/errors.ts';
import { axisFrom, range, type Shape } from '../ir/shape.ts';
import { numbersOf } from '../ir/tensor.ts';
import { batchSymbol } from './batch.ts';
import { meet, onlyFirst, rankOf, unclear, type SampleRule, type Samples } from '../ir/samples.ts';

/** Takes axes out of a shape, or leaves them as 1. */
export const without = ({ axis, inner }: Samples, gone: readonly number[], keep: boolean): Samples => ({
  axis: keep ? axis : axis - gone.filter((other) => other < axis).length,
  inner,
});

const product = (sizes: Shape): number | undefined =>
  sizes.every((size) => typeof size === 'number') ? sizes.reduce((a, b) => a * b, 1) : undefined;

/** Samples stay whole, one after the other, if as many places as before lie outside them. */
export const reshape: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const [shape, out] = [c.shape(0) ?? unclear(), c.out ?? unclear()];
  const { axis, inner } = samples;
  const target = c.contents(1);
  if (axis === 0 && target?.[0] === 1 && inner === 1)
    refuse(`its shape [${target.join(', ')}] holds a batch of 1; freeBatch is for models that do not.`);
  if (axis === 0 && inner === 1 && out[0] === batchSymbol) return samples;
  const free = out.flatMap((size, j) => (typeof size === 'string' ? [j] : []));
  if (free.length === 0) refuse(`its shape [${out.join(', ')}] leaves no axis for the batch.`);
  const place = free.length === 1 ? free[0] : out.indexOf(batchSymbol);
  if (place < 0) unclear();
  const [before, after] = [product(shape.slice(0, axis)), product(shape.slice(axis + 1))];
  const [beforeOut, afterOut] = [product(out.slice(0, place)), product(out.slice(place + 1))];
  if (before === undefined || before !== beforeOut)
    meet('it moves other axes before the batch, or away from there');
  if (shape.slice(axis + 1).join() === out.slice(place + 1).join()) return { axis: place, inner };
  const places = (inner * (after ?? unclear())) / (afterOut ?? unclear());
  if (!Number.isInteger(places)) meet('it cuts samples into pieces that they do not fit');
  return { axis: place, inner: places };
};

export const transpose: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const perm = c.attributes.ints('perm') ?? range(rankOf(c, 0)).toReversed();
  return { axis: perm.indexOf(axis), inner };
};

export const concat: SampleRule = (c) => {
  const samples = c.node.input.map((_, i) => c.of(i) ?? meet('it joins them with what has no samples'));
  const [{ axis, inner }] = samples;
  if (samples.some((other) => other.axis !== axis || other.inner !== inner))
    meet('they lie on different axes of its inputs');
  if (axisFrom(c.attributes.int('axis', 0), rankOf(c, 0)) === axis) meet('it joins along the batch');
  return samples[0];
};

export const slice: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axes = c.node.input[3]
    ? (c.integers(3) ?? unclear()).map((axis) => axisFrom(axis, rankOf(c, 0)))
    : range(rankOf(c, 0));
  const k = axes.indexOf(samples.axis);
  if (k >= 0 && c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it cuts the batch');
  return samples;
};

/** The size along the batch must stay. */
export const sizeStays: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it changes the size of the batch');
  return samples;
};

export const tile: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (c.integers(1)?.[samples.axis] !== 1) meet('it repeats the batch');
  return samples;
};

export const expand: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const [rank, out] = [rankOf(c, 0), c.out ?? unclear()];
  const place = axis + out.length - rank;
  const target = c.contents(1)?.at(place - out.length) ?? 1;
  if (target !== 1 && target !== c.shape(0)?.[axis]) meet('it spreads the batch');
  return { axis: place, inner };
};

export const squeeze: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axes = c.node.input[1] ? c.integers(1) : undefined;
  const gone = (axes ?? refuse('it drops all axes of size 1, that of one sample too; name its axes.')).map(
    (axis) => axisFrom(axis, rankOf(c, 0)),
  );
  if (gone.includes(samples.axis)) refuse('it drops the axis of the batch.');
  return without(samples, gone, false);
};

export const unsqueeze: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const axes = c.integers(1) ?? unclear();
  const rank = rankOf(c, 0) + axes.length;
  const fresh = new Set(axes.map((each) => axisFrom(each, rank)));
  const kept = range(rank).filter((i) => !fresh.has(i));
  return { axis: kept[axis], inner };
};

export const oneHot: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const fresh = axisFrom(c.attributes.int('axis', -1), rankOf(c, 0) + 1);
  return { axis: axis < fresh ? axis : axis + 1, inner };
};

export const pad: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const rank = rankOf(c, 0);
  const pads = c.constant(1) ? numbersOf(c.constant(1) ?? unclear()) : c.integers(1);
  const axes = c.node.input[3] ? (c.integers(3) ?? unclear()) : range(rank);
  const k = axes.findIndex((axis) => axisFrom(axis, rank) === samples.axis);
  if (k >= 0 && (pads?.[k] !== 0 || pads[k + axes.length] !== 0)) meet('it pads the batch');
  return samples;
};

export const trilu: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (samples.axis >= rankOf(c, 0) - 2) meet('its triangle lies across the batch');
  return samples;
};
