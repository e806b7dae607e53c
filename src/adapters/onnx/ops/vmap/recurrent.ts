import { range } from '../../ir/shape.ts';
import type { Value } from '../../ir/graph.ts';
import { emit, mapped, onlyMapped, type MapContext, type MapRule } from '../../ir/vmap.ts';

/** Merges the copies into the samples along `axis`: `[count, …, B, …]` → `[…, count·B, …]`. */
function joined(c: MapContext, x: Value, shape: readonly number[], axis: number): Value {
  const { g, count } = c;
  const moved = g.transpose(x, [...range(axis, 1), 0, ...range(shape.length - axis, axis + 1)]);
  return g.reshape(
    moved,
    shape.map((size, i) => (i === axis ? count * size : size)),
  );
}

/** Undoes {@link joined}. */
function apart(c: MapContext, y: Value, shape: readonly number[], axis: number): Value {
  const { g, count } = c;
  const split = g.reshape(y, [...shape.slice(0, axis), count, ...shape.slice(axis)]);
  return g.transpose(split, [axis, ...range(axis), ...range(shape.length - axis, axis + 1)]);
}

/** Returns input i, a length for each sample, for the samples of all copies. */
const lengths = (c: MapContext, i: number): Value => c.g.reshape(mapped(c, i), [-1]);

/** LSTM, GRU and RNN: the samples of all copies form one batch, `[T, count·B, …]`; weights are shared. */
export const mapRecurrent: MapRule = (c) => {
  const { node } = c;
  onlyMapped(c, 0, 4, 5, 6);
  const batch = c.attributes.int('layout', 0) === 1 ? 0 : 1;
  const inputs = node.input.map((name, i) => {
    if (name === '' || (i > 0 && i < 4) || i > 6) return name === '' ? '' : c.value(i);
    return i === 4 ? lengths(c, i) : joined(c, mapped(c, i), c.shape(i), batch);
  });
  const outputs = emit(c, inputs);
  return outputs.map((output, k) => {
    if (output === '') return '';
    const shape = c.out(k);
    // Y has its axis of directions before the samples, or after them with layout 1.
    return apart(c, output, shape, k === 0 && batch === 1 ? 2 : batch);
  });
};

/** ReverseSequence: the samples of all copies form one batch. */
export const mapReverseSequence: MapRule = (c) => {
  onlyMapped(c, 0, 1);
  const axis = c.attributes.int('batch_axis', 1);
  const [y] = emit(c, [joined(c, mapped(c, 0), c.shape(0), axis), lengths(c, 1)]);
  return [apart(c, y, c.out(), axis)];
};
