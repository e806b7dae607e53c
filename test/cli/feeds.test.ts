import { describe, expect, it } from 'vitest';
import { shapeFor } from '../../bin/lib/feeds.js';

const spec = (...shape: (number | string)[]) => ({ name: 'x', dtype: 'float32', shape });

describe('the shape in which samples fit an input', () => {
  it.each([
    ['its own', ['N', 784], [5, 784], [5, 784]],
    ['flat numbers as images', ['N', 1, 28, 28], [5, 784], [5, 1, 28, 28]],
    ['axes of length 1 added', ['N', 1, 28, 28], [5, 28, 28], [5, 1, 28, 28]],
    ['axes of length 1 left out', ['N'], [5, 1], [5]],
    ['one number each', ['N', 1], [5], [5, 1]],
    ['an open axis', ['N', 'T', 2], [5, 6], [5, 3, 2]],
    ['any length of an open axis', ['N', 'T'], [5, 6], [5, 6]],
  ])('the shape in which samples fit an input: %s', (_, shape, dims, fitted) => {
    expect(shapeFor(spec(...shape), dims)).toEqual(fitted);
  });

  it.each([
    ['another number of columns', ['N', 3], [5, 4]],
    ['images with channels last for channels first', ['N', 3, 8, 8], [5, 8, 8, 3]],
    ['columns that do not fill an open axis', ['N', 'T', 2], [5, 7]],
    ['two open axes', ['N', 'T', 'S'], [5, 6]],
  ])('is none for %s', (_, shape, dims) => {
    expect(shapeFor(spec(...shape), dims)).toBeUndefined();
  });

  it('samples keep their own shape if the model does not tell the rank of its input', () => {
    expect(shapeFor({ name: 'x', dtype: 'float32', shape: undefined }, [5, 2, 3])).toEqual([5, 2, 3]);
  });
});
