import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layoutOf, type TensorRole, type TensorSpec } from '../../src/core/layout.ts';
import { dot, norm2 } from '../../src/core/vector.ts';
import {
  groupNorms,
  normalizations,
  randomDirections,
  type DirectionOptions,
} from '../../src/recipes/landscape/directions.ts';
import { gaussian } from '../../src/recipes/landscape/random.ts';
import { filterGroups, layerGroups } from '../../src/recipes/landscape/roles.ts';

const options: DirectionOptions = { dimensions: 2, seed: 1, normalize: 'filter', ignore: [] };
const weight = (...filterAxes: number[]): TensorRole => ({ kind: 'weight', filterAxes });

/** Tensors and their filters, from first principles: the slices at one index along each filter axis. */
const table: readonly [string, TensorSpec, number][] = [
  ['tfjs dense [in, out]', { name: 'kernel', shape: [3, 4], role: weight(1) }, 4],
  ['tfjs conv2d [h, w, in, out]', { name: 'kernel', shape: [3, 3, 2, 5], role: weight(3) }, 5],
  ['tfjs depthwise [h, w, in, m]', { name: 'depthwise_kernel', shape: [3, 3, 2, 2], role: weight(2, 3) }, 4],
  ['tfjs conv2dTranspose [h, w, out, in]', { name: 'kernel', shape: [2, 2, 5, 3], role: weight(2) }, 5],
  ['ONNX Gemm transB [out, in]', { name: 'fc.weight', shape: [4, 3], role: weight(0) }, 4],
  ['ONNX Conv [out, in, h, w]', { name: 'conv.weight', shape: [5, 2, 3, 3], role: weight(0) }, 5],
  ['ONNX ConvTranspose [in, out, h, w]', { name: 'up.weight', shape: [3, 5, 2, 2], role: weight(1) }, 5],
  ['ONNX LSTM W [dir, 4h, in]', { name: 'W', shape: [2, 8, 3], role: weight(0, 1) }, 16],
  ['ONNX LSTM B [dir, 8h]', { name: 'B', shape: [2, 16], role: { kind: 'bias' } }, 1],
  ['PRelu slope [c, 1, 1]', { name: 'slope', shape: [4, 1, 1], role: { kind: 'slope' } }, 1],
  ['embedding [v, d]', { name: 'embedding', shape: [7, 4], role: { kind: 'embedding', filterAxes: [0] } }, 7],
];

const count = (name: string, ...shape: number[]) => filterGroups(layoutOf([{ name, shape }])).count;

describe('filters', () => {
  it.each(table)('filters of %s', (_, spec, count) => {
    const { of, count: found } = filterGroups(layoutOf([spec]));
    expect(found).toBe(count);
    const axes = spec.role?.filterAxes ?? [];
    // Element by element: its coordinates along the filter axes name its filter.
    const name = (flat: number) => {
      const coordinates = spec.shape.toReversed().map((length) => {
        const c = flat % length;
        flat = (flat - c) / length;
        return c;
      });
      return axes.map((axis) => coordinates.toReversed()[axis]).join();
    };
    const names = new Map<number, string>();
    of.forEach((group, flat) => {
      expect(names.get(group) ?? name(flat)).toBe(name(flat));
      names.set(group, name(flat));
    });
    expect(new Set(names.values()).size).toBe(count);
  });

  it('are guessed from name and rank if no role is given, and overridden by the user', () => {
    expect(count('dense_Dense1/kernel', 3, 4)).toBe(4);
    expect(count('fc1.weight', 3, 4)).toBe(3);
    expect(count('depthwise_kernel', 3, 3, 2, 2)).toBe(4);
    expect(count('embedding/embeddings', 9, 4)).toBe(9);
    expect(count('bias', 4)).toBe(1);
    expect(count('scalar')).toBe(1);
    const layout = layoutOf([{ name: 'mine', shape: [3, 4], role: weight(1) }]);
    expect(filterGroups(layout, () => weight(0)).count).toBe(3);
    expect(filterGroups(layout, () => undefined).count).toBe(4);
    expect(() => filterGroups(layout, () => weight(2))).toThrow(/filter axis 2; its shape is \[3, 4\]/);
  });
});

describe('random directions', () => {
  const specs = table.map(([, spec]) => spec);
  const layout = layoutOf([...specs, { name: 'scalar', shape: [] }, { name: 'one', shape: [1, 1] }]);
  const center = Float64Array.from({ length: layout.length }, gaussian(9));

  it('have exact filter norms, and are orthogonal to 1e-12', () => {
    const groups = filterGroups(layout);
    const wanted = groupNorms(center, groups);
    const [dx, dy] = randomDirections(center, layout, options);
    for (const d of [dx, dy]) {
      const norms = groupNorms(d, groups);
      for (let g = 0; g < groups.count; g++) expect(Math.abs(norms[g] / wanted[g] - 1)).toBeLessThan(1e-13);
    }
    expect(Math.abs(dot(dx, dy))).toBeLessThan(1e-12);
  });

  it('have exact norms by layer, and over all', () => {
    const byLayer = randomDirections(center, layout, { ...options, normalize: 'layer' });
    const wanted = groupNorms(center, layerGroups(layout));
    for (const d of byLayer) {
      groupNorms(d, layerGroups(layout)).forEach((norm, k) => expect(norm / wanted[k]).toBeCloseTo(1, 12));
    }
    const global = randomDirections(center, layout, { ...options, normalize: 'global' });
    for (const d of global) expect(norm2(d) / norm2(center)).toBeCloseTo(1, 13);
    for (const [dx, dy] of [byLayer, global]) expect(Math.abs(dot(dx, dy))).toBeLessThan(1e-12);
    for (const d of randomDirections(center, layout, { ...options, normalize: 'dfilter' })) {
      for (const norm of groupNorms(d, filterGroups(layout))) expect(norm).toBeCloseTo(1, 12);
    }
  });

  it('are orthogonal for any layout and seed', () => {
    const shape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(shape, { minLength: 1, maxLength: 5 }),
        fc.integer(),
        fc.constantFrom(...normalizations),
        (shapes, seed, normalize) => {
          const layout = layoutOf([
            { name: 'k', shape: [2, 2] },
            ...shapes.map((shape, k) => ({ name: `k${k}`, shape })),
          ]);
          const center = Float64Array.from({ length: layout.length }, gaussian(seed));
          const [dx, dy] = randomDirections(center, layout, { ...options, seed, normalize });
          expect(Math.abs(dot(dx, dy))).toBeLessThan(1e-12 * norm2(dx) * norm2(dy) + 1e-12);
        },
      ),
    );
  });

  it('depend on the seed alone', () => {
    const again = randomDirections(center, layout, options);
    expect(again).toEqual(randomDirections(center, layout, options));
    expect(again).not.toEqual(randomDirections(center, layout, { ...options, seed: 2 }));
  });

  it('are standard normal before they are normalized', () => {
    const draw = gaussian(3);
    const values = Float64Array.from({ length: 100_000 }, draw);
    const moment = (power: number) => values.reduce((sum, v) => sum + v ** power, 0) / values.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.015);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(3))).toBeLessThan(0.05);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.12);
  });

  it('leave biases and filters of norm 0 alone', () => {
    const layout = layoutOf([
      { name: 'kernel', shape: [2, 3] },
      { name: 'bias', shape: [3] },
    ]);
    const center = Float64Array.of(1, 0, 2, 3, 0, 4, 5, 6, 7);
    for (const d of randomDirections(center, layout, { ...options, ignore: ['bias'] })) {
      expect([...d.subarray(6)]).toEqual([0, 0, 0]);
      expect([d[1], d[4]]).toEqual([0, 0]);
      expect(d[0]).not.toBe(0);
    }
  });

  it('refuse parameters that leave no direction', () => {
    const layout = layoutOf([{ name: 'x', shape: [3] }]);
    expect(() => randomDirections(new Float64Array(3), layout, options)).toThrow(/all 0 here/);
    const one = layoutOf([{ name: 'x', shape: [1] }]);
    expect(() => randomDirections(Float64Array.of(2), one, options)).toThrow(/use dimensions: 1/);
    expect(randomDirections(Float64Array.of(2), one, { ...options, dimensions: 1 })).toHaveLength(1);
  });

  it('keep orthogonality where all tensors are scalars', () => {
    const layout = layoutOf([
      { name: 'a', shape: [] },
      { name: 'b', shape: [] },
    ]);
    const [dx, dy] = randomDirections(Float64Array.of(3, 1), layout, options);
    expect(Math.abs(dot(dx, dy))).toBeLessThan(1e-12);
    expect([Math.abs(dx[0]), Math.abs(dx[1])]).toEqual([3, 1]);
  });
});
