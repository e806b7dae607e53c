import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flatten } from '../../src/core/flatten.ts';

/** Any tree that flatten takes, without tensors. */
const tree = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.double(),
    fc.float32Array(),
    fc.float64Array(),
    fc.int32Array(),
    fc.constant(null),
    fc.array(tie('tree')),
    fc.dictionary(
      // Keys that look like indices change their order in any JavaScript object.
      fc.string().filter((key) => key !== '__proto__' && !/^\d+$/.test(key)),
      tie('tree'),
      { noNullPrototype: true },
    ),
  ),
})).tree;

describe('flatten', () => {
  it('gives back the tree it was given', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const { vector, unflatten } = flatten(value);
        expect(unflatten(vector)).toEqual(value);
      }),
    );
  });

  it('puts every number of a vector in its place', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const { vector, unflatten } = flatten(value);
        // Small whole numbers survive any typed array.
        const other = vector.map((_, i) => i % 100);
        expect(flatten(unflatten(other)).vector).toEqual(other);
      }),
    );
  });

  it('keeps the order of the keys, and shares nothing', () => {
    const kernel = Float32Array.of(3, 4);
    const { vector, unflatten } = flatten({ b: 1, a: [2, kernel], none: null });
    expect(vector).toEqual(Float64Array.of(1, 2, 3, 4));
    const back = unflatten(vector);
    vector[2] = 9;
    expect(back).toEqual({ b: 1, a: [2, Float32Array.of(3, 4)], none: null });
    expect(back.a[1]).not.toBe(kernel);
  });

  it('takes the same branch twice, but not a branch inside itself', () => {
    const shared = [1, 2];
    expect(flatten([shared, shared]).vector).toEqual(Float64Array.of(1, 2, 1, 2));
    const loop: unknown[] = [1];
    loop.push({ again: loop });
    expect(() => flatten(loop)).toThrow(/tree\[1\]\.again contains itself/);
  });

  it('rebuilds a tensor of the ONNX Runtime kind by its own constructor', () => {
    class Tensor {
      readonly type: string;
      readonly data: Float32Array;
      readonly dims: readonly number[];
      constructor(type: string, data: Float32Array, dims: readonly number[]) {
        this.type = type;
        this.data = data;
        this.dims = dims;
      }
    }
    const { vector, unflatten } = flatten({ w: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) });
    const { w } = unflatten(vector.map((v) => 10 * v));
    expect(w).toBeInstanceOf(Tensor);
    expect(w).toEqual(new Tensor('float32', Float32Array.of(10, 20, 30, 40), [2, 2]));
  });

  it('names the path to what holds no numbers', () => {
    expect(() => flatten({ a: [1, 'x'] })).toThrow(new TypeError('flatten: tree.a[1] is "x", not a number.'));
    expect(() => flatten({ a: new Map() })).toThrow(/tree\.a is a Map/);
    expect(() => flatten([new BigInt64Array(2)])).toThrow(/tree\[0\] is a BigInt64Array|BigInt64Array\(2\)/);
  });

  it('refuses a vector of another length', () => {
    expect(() => flatten([1, 2]).unflatten([1])).toThrow('unflatten: vector has length 1; it must be 2.');
  });
});

describe('the leaves of flatten', () => {
  const tfTensor = (shape: number[], values: number[]) => ({
    shape,
    dataSync: () => Float32Array.from(values),
  });

  it('takes tensors of tfjs by shape and values, and gives { shape, data } back', () => {
    const { vector, unflatten } = flatten({ w: tfTensor([2, 1], [5, 6]), b: 7 });
    expect([...vector]).toEqual([5, 6, 7]);
    expect(unflatten([1, 2, 3])).toEqual({ w: { shape: [2, 1], data: Float64Array.of(1, 2) }, b: 3 });
  });

  it('takes only tensors with both a type and data for those of the ONNX Runtime kind', () => {
    const typed = Object.assign(tfTensor([1], [5]), { type: 'float32' });
    expect(flatten([typed]).unflatten([8])).toEqual([{ shape: [1], data: Float64Array.of(8) }]);
    const filled = Object.assign(tfTensor([1], [5]), { data: Float32Array.of(5) });
    expect(flatten([filled]).unflatten([8])).toEqual([{ shape: [1], data: Float64Array.of(8) }]);
  });

  it('refuses options in its own name', () => {
    expect(() => flatten([1], { tensor: 3 as never })).toThrow(
      new RangeError('flatten: tensor: must be a function, got 3.'),
    );
  });

  it('rebuilds tensors by a function of one’s own, which is given data, shape and original', () => {
    const original = tfTensor([2], [5, 6]);
    const tensor = (data: Float64Array, shape: readonly number[], from: object) => [
      ...data,
      ...shape,
      from === original,
    ];
    expect(flatten([original], { tensor }).unflatten([1, 2])).toEqual([[1, 2, 2, true]]);
  });

  it('refuses a tensor of which shape and values differ in size', () => {
    expect(() => flatten({ w: tfTensor([2, 2], [1, 2]) })).toThrow(
      new TypeError('flatten: tree.w has the shape [2, 2] and 2 values.'),
    );
  });

  it('recognizes a tensor only by all of its properties', () => {
    const values = Float32Array.of(1, 2);
    expect(flatten({ dims: 2, data: values }).vector.length).toBe(3);
    expect(flatten({ dims: [2], data: [1, 2] }).vector.length).toBe(3);
    expect(flatten({ dims: [2], data: values }).vector.length).toBe(2);
    expect(flatten({ dims: [2] }).vector.length).toBe(1);
    expect(flatten({ data: values }).vector.length).toBe(2);
    expect(() => flatten({ shape: [2], dataSync: 3 }).vector.length).not.toThrow();
    expect(() => flatten({ dataSync: () => values })).toThrow(/tree\.dataSync is the function/);
  });

  it('takes objects without a prototype, and no instances of classes', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(flatten(bare).vector).toEqual(Float64Array.of(1));
    expect(() => flatten({ when: new Date(0) })).toThrow(
      'flatten: tree.when is a Date; only plain objects, arrays and tensors are flattened.',
    );
    expect(() => flatten([new DataView(new ArrayBuffer(8))])).toThrow(/tree\[0\] is DataView\(8\)/);
    expect(() => flatten([new BigUint64Array(1)])).toThrow(/tree\[0\] is BigUint64Array\(1\)/);
    expect(() => flatten([true])).toThrow('flatten: tree[0] is true, not a number.');
  });

  it('gives null and undefined back as they are', () => {
    const { vector, unflatten } = flatten([null, undefined, 1]);
    expect(vector.length).toBe(1);
    expect(unflatten([4])).toEqual([null, undefined, 4]);
  });
});
