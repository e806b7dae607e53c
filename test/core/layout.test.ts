import { describe, expect, it, test } from 'vitest';
import { checkLayout, layoutOf, sizeOf, tensorAt } from '../../src/core/layout.ts';
import { checkLength, vectorParams } from '../../src/core/paramSet.ts';
import { soap } from '../../src/solvers/soap.ts';

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
      new RangeError(
        'vectorParams: the layout has 3 elements in its tensors and the length 3; both must be 2, the length of data.',
      ),
    );
    expect(() => vectorParams(Float64Array.of(1)).copyInto(new Float64Array(2))).toThrow(
      'copyInto: vector has length 2; it must be 1.',
    );
    expect(() => checkLength('x', [1], 1)).not.toThrow();
  });
});

describe('malformed layouts are refused', () => {
  it.each<[unknown, string, typeof TypeError | typeof RangeError]>([
    [undefined, 'tensors must be a list of { name, shape }, got undefined', TypeError],
    [[{ name: 'w' }], 'the shape of w must be a list of whole numbers ≥ 0, got undefined', TypeError],
    [[{ name: 'w', shape: 3 }], 'the shape of w must be a list of whole numbers ≥ 0, got 3', TypeError],
    [[null], 'the shape of tensor 0 must be a list', TypeError],
    [[{ name: 'w', shape: [-2, -3] }], 'the shape of w is [-2, -3]; dimensions must be whole', RangeError],
    [[{ name: 'w', shape: [2.5] }], 'the shape of w is [2.5]; dimensions must be whole', RangeError],
    [[{ name: 'w', shape: [NaN] }], 'the shape of w is [NaN]; dimensions must be whole', RangeError],
  ])('malformed layouts are refused by layoutOf: %j', (specs, message, kind) => {
    expect(() => layoutOf(specs as never)).toThrow(kind);
    expect(() => layoutOf(specs as never)).toThrow(`layoutOf: ${message}`);
  });

  const entry = { name: 'w', shape: [2, 3], offset: 0, size: 6 };
  it.each<[unknown, string, typeof TypeError | typeof RangeError]>([
    [null, 'the layout must be { length, tensors }, as layoutOf returns, got null', TypeError],
    [{ length: 6 }, 'the layout must be { length, tensors }', TypeError],
    [
      { length: 6, tensors: [{ ...entry, shape: [2, 2], size: 4 }] },
      'the layout has 4 elements in its tensors and the length 6',
      RangeError,
    ],
    [{ length: 6, tensors: [null] }, 'the layout: the shape of tensor 0 must be a list', TypeError],
    [
      { length: 6, tensors: [{ ...entry, shape: [-2, -3] }] },
      'the layout: the shape of w is [-2, -3]',
      RangeError,
    ],
    [
      { length: 6, tensors: [{ ...entry, size: 5 }] },
      'the layout gives w the shape [2, 3] and the size 5',
      RangeError,
    ],
    [{ length: 6, tensors: [{ ...entry, offset: 1 }] }, 'the layout puts w at 1; it must be 0', RangeError],
    [
      { length: -6, tensors: [entry] },
      'the layout has 6 elements in its tensors and the length -6',
      RangeError,
    ],
  ])('malformed layouts are refused by vectorParams and soap: %j', (layout, message, kind) => {
    const starts = {
      vectorParams: () => vectorParams(new Float64Array(6), layout as never),
      soap: () => soap().init({ n: 6, precision: 'float64', layout: layout as never }),
    };
    for (const [name, start] of Object.entries(starts)) {
      if (name === 'vectorParams' && layout === null) continue;
      expect(start).toThrow(kind);
      expect(start).toThrow(`${name}: ${message}`);
    }
  });

  it.each([undefined, null, 3, 'layout'])('malformed layouts are refused by any caller: %j', (layout) => {
    expect(() => checkLayout('here', layout as never, 6, 'the length of p0')).toThrow(
      new TypeError(
        `here: the layout must be { length, tensors }, as layoutOf returns, got ${JSON.stringify(layout)}.`,
      ),
    );
  });

  it('malformed layouts are refused, and so are data that are no array', () => {
    expect(() => vectorParams(undefined as never)).toThrow(
      new TypeError('vectorParams: data must be a Float64Array or Float32Array, got undefined.'),
    );
  });
});
