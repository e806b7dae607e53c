import { describe, expect, it, test } from 'vitest';
import { layoutOf, sizeOf, tensorAt } from '../../src/core/layout.ts';
import { checkLength, vectorParams } from '../../src/core/paramSet.ts';

describe('a layout', () => {
  const role = { kind: 'weight', filterAxes: [1] } as const;
  const makeLayout = () =>
    layoutOf([
      { name: 'w', shape: [2, 3], role },
      { name: 'none', shape: [0, 4] },
      { name: 'b', shape: [] },
    ]);

  it('keeps the roles of tensors, and has none where they have none', () => {
    const layout = makeLayout();
    expect(layout.tensors[0]).toEqual({ name: 'w', shape: [2, 3], offset: 0, size: 6, role });
    expect(layout.tensors[2]).toEqual({ name: 'b', shape: [], offset: 6, size: 1 });
    expect('role' in layout.tensors[2]).toBe(false);
  });

  it('knows the tensor of every element, and of none beyond', () => {
    const layout = makeLayout();
    const names = [-1, 0, 5, 6, 7].map((index) => tensorAt(layout, index)?.name);
    expect(names).toEqual([undefined, 'w', 'w', 'b', undefined]);
  });

  it('does not share the shapes it was given', () => {
    const shape = [2];
    const { tensors } = layoutOf([{ name: 'x', shape }]);
    shape[0] = 9;
    expect(tensors[0].shape).toEqual([2]);
  });

  test('sizes are products, 1 of a scalar', () => {
    expect([[], [3], [2, 3, 4], [5, 0]].map(sizeOf)).toEqual([1, 3, 24, 0]);
  });
});

describe('vectorParams', () => {
  it('is one tensor x by default, and of the length of its layout', () => {
    expect(vectorParams(Float64Array.of(1, 2)).layout.tensors).toEqual([
      { name: 'x', shape: [2], offset: 0, size: 2 },
    ]);
    const layout = layoutOf([{ name: 'w', shape: [3] }]);
    expect(() => vectorParams(Float64Array.of(1, 2), layout)).toThrow(
      new RangeError('vectorParams: data has length 2; it must be 3.'),
    );
    expect(() => vectorParams(Float64Array.of(1)).copyInto(new Float64Array(2))).toThrow(
      'copyInto: vector has length 2; it must be 1.',
    );
    expect(() => checkLength('x', [1], 1)).not.toThrow();
  });
});
