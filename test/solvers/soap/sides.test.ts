import { describe, expect, it } from 'vitest';
import { layoutOf, soap, type Precision, type SoapOptions, type TensorSpec } from 'quasi-newton';
import { weight } from './oracle.ts';
import { inside } from '../internals.ts';
import type { SoapState } from '../../../src/solvers/soap.ts';

/** Longest sides of the blocks of a matrix that are rotated, on the left and on the right. */
function rotatedSides(spec: TensorSpec, options: SoapOptions, precision: Precision): [number, number] {
  const layout = layoutOf([spec]);
  const { blocks } = inside<SoapState>(soap(options).init({ n: layout.length, precision, layout }));
  return [
    Math.max(...blocks.map(({ left }) => left?.size ?? 0)),
    Math.max(...blocks.map(({ right }) => right?.size ?? 0)),
  ];
}

const declared = (rows: number, cols: number): TensorSpec => ({
  ...weight(rows, cols),
  role: { kind: 'weight', filterAxes: [0] },
});

describe('by default, the smaller a matrix, the longer the parts of its sides', () => {
  it.each<[Precision, number, number, number, number]>([
    ['float32', 8191, 1, 128, 0],
    ['float32', 8192, 1, 64, 0],
    ['float32', 16383, 1, 64, 0],
    ['float32', 16384, 1, 32, 0],
    ['float32', 32768, 1, 16, 0],
    ['float32', 2 ** 20, 1, 16, 0],
    ['float32', 10, 784, 10, 112],
    ['float32', 64, 128, 64, 64],
    ['float64', 2047, 1, 128, 0],
    ['float64', 2048, 1, 64, 0],
    ['float64', 8192, 1, 16, 0],
  ])('%s: [%i, %i] in parts of up to %i and %i', (precision, rows, cols, left, right) => {
    const [l, r] = rotatedSides(weight(rows, cols), {}, precision);
    expect(l).toBeLessThanOrEqual(left);
    expect(l).toBeGreaterThan(left / 2);
    expect(r).toBe(right);
  });

  it('of matrices with parts shorter than 64, only the inputs are rotated, if the layout tells them', () => {
    expect(rotatedSides(declared(10, 784), {}, 'float32')).toEqual([10, 112]);
    expect(rotatedSides(declared(130, 100), {}, 'float32')).toEqual([44, 50]);
    expect(rotatedSides(declared(130, 130), {}, 'float32')).toEqual([0, 26]);
    expect(rotatedSides(weight(130, 130), {}, 'float32')).toEqual([26, 26]);
    expect(rotatedSides(declared(130, 130), { oneSided: false }, 'float32')).toEqual([26, 26]);
    expect(rotatedSides(declared(10, 784), { oneSided: true }, 'float32')).toEqual([0, 112]);
    // Sides as long as the limit are not cut.
    expect(rotatedSides(declared(20, 32), { maxSide: 32 }, 'float32')).toEqual([20, 32]);
    expect(rotatedSides(declared(32, 20), { maxSide: 32 }, 'float32')).toEqual([32, 20]);
    expect(rotatedSides(declared(130, 130), { maxSide: 64 }, 'float32')).toEqual([44, 44]);
    expect(rotatedSides(declared(130, 130), { maxSide: 63 }, 'float32')).toEqual([0, 44]);
  });
});

it('parts of one element have no basis, and leave a matrix in one block', () => {
  const layout = layoutOf([weight(6, 5)]);
  const { blocks } = inside<SoapState>(
    soap({ maxSide: 1 }).init({ n: layout.length, precision: 'float64', layout }),
  );
  expect(blocks).toMatchObject([{ rows: 6, cols: 5, left: null, right: null }]);
});
