import { describe, expect, it } from 'vitest';
import {
  contourf,
  fromGrid,
  landscape,
  landscapeFromCSV,
  landscapeFromJSON,
  landscapeToCSV,
  landscapeToJSON,
  line,
  mergeLandscapes,
  onPlane,
  readNPY,
  surface,
  writeNPY,
} from 'quasi-newton/landscape';

const data = landscape(
  {
    p0: Float64Array.of(1, -2, 0.5),
    fg: ([a, b, c]) => (a > 1.4 ? NaN : b > -1 ? Infinity : a * a + Math.sin(b) + c / 3),
  },
  { npoints: [7, 5], seed: 3, metrics: { 'a, "b"': (x) => x[1] } },
);

describe('fromGrid', () => {
  it('takes rows or one array, and is drawn as any landscape', () => {
    const rows = fromGrid({
      x: [-1, 0, 1],
      y: [0, 1],
      z: [
        [1, 0, 1],
        [2, 1, 2],
      ],
    });
    const flat = fromGrid({ x: Float32Array.of(-1, 0, 1), y: [0, 1], z: Float64Array.of(1, 0, 1, 2, 1, 2) });
    expect(flat).toEqual(rows);
    expect(rows.loss).toBe(0);
    expect(contourf(rows).toSVG()).toContain('<svg');
    expect(surface(rows).toSVG()).toContain('<svg');
    expect(line(fromGrid({ x: [0, 1, 2], z: [3, 2, 1] })).toSVG()).toContain('<svg');
    expect(mergeLandscapes([rows, flat])).toEqual(rows);
    expect(() => onPlane(rows.plane, [Float64Array.of(1)])).toThrow(/stored without its vectors/);
  });

  it('names what does not fit', () => {
    const y = [0, 1];
    expect(() => fromGrid({ x: [0, 1, 3], y, z: [] })).toThrow(/x must ascend in equal steps; x\[1\] is 1/);
    expect(() => fromGrid({ x: [1, 0], y, z: [] })).toThrow(/equal steps; its step is -1/);
    expect(() => fromGrid({ x: [0, 1], y, z: [1, 2, 3] })).toThrow(/z has 3 values; 2 rows of 2 are 4/);
    expect(() => fromGrid({ x: [0, 1], y, z: [[1, 2], [1]] })).toThrow(/z\[1\] has 1 values for 2 x/);
    expect(() => fromGrid({ x: [0, 1], y, z: ['a', 'b'] as never })).toThrow(
      /z\[0\] must be a row of numbers/,
    );
    expect(() => fromGrid({ x: [0, 1], y, z: [1, 2, 3, 4], metrics: { m: [1] } })).toThrow(
      /metrics.m has 1 values/,
    );
    expect(() => fromGrid([1] as never)).toThrow(/needs \{ x, y, z \}, got Array\(1\)/);
    expect(() => fromGrid({ x: [0], z: [1] })).toThrow(/x must have 2 values or more/);
  });
});

describe('JSON', () => {
  it('gives back the landscape, NaN and infinities included', () => {
    const text = JSON.stringify(landscapeToJSON(data));
    expect(landscapeFromJSON(text)).toEqual(data);
    expect(landscapeFromJSON(JSON.parse(text))).toEqual(data);
    expect(data.z.includes(NaN) && data.z.includes(Infinity)).toBe(true);
  });

  it('that is damaged is named by its field', () => {
    const json = landscapeToJSON(data);
    expect(() => landscapeFromJSON('{"format": ')).toThrow(/landscapeFromJSON: the text is not JSON/);
    expect(() => landscapeFromJSON('{}')).toThrow(/not the data of landscapeToJSON/);
    expect(() => landscapeFromJSON({ ...json, version: 2 } as never)).toThrow(/version 2 cannot be read/);
    expect(() => landscapeFromJSON({ ...json, z: json.z.slice(1) })).toThrow(
      /z has 34 values; it must have 35/,
    );
    expect(() => landscapeFromJSON({ ...json, x: [1, null] } as never)).toThrow(
      /x\[1\] must be a number or one of/,
    );
    expect(() => landscapeFromJSON({ ...json, directions: [] })).toThrow(
      /directions must be one or two arrays/,
    );
    expect(() => landscapeFromJSON({ ...json, labels: 3 } as never)).toThrow(
      /labels must be two names, got 3/,
    );
  });
});

describe('.npy', () => {
  it('is read back as it was written', () => {
    const bytes = writeNPY(data.z, [5, 7]);
    expect(readNPY(bytes)).toEqual({ data: data.z, shape: [5, 7] });
    expect(bytes.length % 64).toBe((35 * 8) % 64);
    expect(() => writeNPY(data.z, [5, 8])).toThrow(/holds 40 numbers; there are 35/);
  });

  it('holds the numbers of any array, widened', () => {
    for (const numbers of [
      Float32Array.of(0.1, -0, NaN),
      Int32Array.of(-5, 2 ** 31 - 1),
      Uint8Array.of(1, 255),
      [1, 1 / 3],
    ]) {
      expect(readNPY(writeNPY(numbers)).data).toEqual(Float64Array.from(numbers));
    }
    expect(() => writeNPY(BigInt64Array.of(1n) as never)).toThrow(
      /^writeNPY: data must be an array of numbers/,
    );
    expect(() => writeNPY(['1'] as never)).toThrow(/^writeNPY: data must be an array of numbers/);
    expect(() => writeNPY([1, 2], [-1, -2])).toThrow(
      'writeNPY: shape must hold whole numbers ≥ 0, got [-1, -2].',
    );
  });

  it('reads .npy files of NumPy in other types and orders', () => {
    // numpy.save of numpy.array([[1, 2, 3], [4, 5, 6]], dtype='>i2', order='F').
    const header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }".padEnd(117, ' ') + '\n';
    const bytes = new Uint8Array(128 + 12);
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
    bytes.set(new TextEncoder().encode(header), 10);
    bytes.set([0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6], 128);
    expect(readNPY(bytes)).toEqual({ data: Float64Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] });
  });

  it.each([
    // numpy.array([1, -2.5, 65504, 6e-8, -0.0, inf, -inf, nan, 0.1], '<f2').tobytes().hex()
    [
      '<f2',
      '003c00c1ff7b01000080007c00fc007e662e',
      [1, -2.5, 65504, 2 ** -24, -0, Infinity, -Infinity, NaN, 0.0999755859375],
    ],
    ['>f2', '3c00c1007bff', [1, -2.5, 65504]],
    ['|b1', '000101', [0, 1, 1]],
  ])('is read with numbers of type %s', (type, hex, numbers) => {
    const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${numbers.length},), }`;
    const head = Buffer.from(`\u0093NUMPY\u0001\0v\0${text.padEnd(117)}\n`, 'latin1');
    const bytes = Buffer.concat([head, Buffer.from(hex, 'hex')]);
    expect(readNPY(bytes).data).toEqual(Float64Array.from(numbers));
  });

  it('that is something else is refused', () => {
    const bytes = writeNPY(Float64Array.of(1, 2, 3));
    expect(readNPY(bytes).shape).toEqual([3]);
    expect(() => readNPY(bytes.subarray(0, bytes.length - 8))).toThrow(/cut short: it has \d+ of \d+ bytes/);
    expect(() => readNPY(new Uint8Array(40))).toThrow(/these bytes are not an .npy file/);
    const text = new TextDecoder('latin1').decode(bytes).replace("'<f8'", "'<U8'");
    expect(() => readNPY(Uint8Array.from(text, (c) => (c === '“' ? 0x93 : c.charCodeAt(0))))).toThrow(
      /only arrays of floats, integers and booleans/,
    );
  });
});

describe('CSV', () => {
  it('holds all values, and is read back in any order of lines', () => {
    const text = landscapeToCSV(data);
    expect(text.split('\n')[0]).toBe('x,y,loss,"a, ""b"""');
    const read = landscapeFromCSV(text);
    expect(read.z).toEqual(data.z);
    expect(read.metrics).toEqual(data.metrics);
    const [head, ...rows] = text.trim().split('\n');
    expect(landscapeFromCSV([head, ...rows.toReversed()].join('\r\n'))).toEqual(read);
  });

  it('keeps names of metrics as they are, with spaces and breaks of lines', () => {
    const fg = ([x, y]: Float64Array) => x + y;
    const metrics = { ' a "b"\nc ': fg, 'd\r\n,e': ([x]: Float64Array) => x, é: fg };
    const named = landscape({ p0: Float64Array.of(1, 2), fg }, { npoints: 3, metrics });
    const read = landscapeFromCSV(landscapeToCSV(named));
    expect(read.metrics).toEqual(named.metrics);
    expect(read.z).toEqual(named.z);
    expect(landscapeFromCSV(`\ufeff${landscapeToCSV(named)}`).metrics).toEqual(named.metrics);
  });

  it('keeps the marks of points that were not evaluated', () => {
    const fg = ([x, y]: Float64Array) => x * x + Math.sin(y);
    const some = landscape(
      { p0: Float64Array.of(1, 2), fg },
      { npoints: 33, adaptive: true, metrics: { 'x, y': ([x]) => x } },
    );
    expect(some.done).toContain(2);
    const text = landscapeToCSV(some);
    expect(text.split('\n')[0]).toBe('x,y,loss,done,"x, y"');
    const read = landscapeFromCSV(text);
    expect([read.done, read.z, read.metrics]).toEqual([some.done, some.z, some.metrics]);
    const whole = landscape({ p0: Float64Array.of(1, 2), fg }, { npoints: 3 });
    expect(landscapeToCSV(whole)).not.toContain('done');
    expect(() => landscapeFromCSV('x,y,f,done\n0,0,1,3\n1,0,2,1')).toThrow(
      /line 2: done must be 0, 1 or 2, got 3/,
    );
    expect(() => landscapeToCSV({ ...whole, metrics: { done: whole.z } })).toThrow(/a metric is called done/);
  });

  it('skips the row numbers that pandas writes, and keeps other empty fields', () => {
    const { z, metrics } = landscapeFromCSV(',x,y,f,m\n0,0,0,1,\n1,1,0,2,5');
    expect([...z]).toEqual([1, 2]);
    expect(metrics).toEqual({ m: Float64Array.of(NaN, 5) });
    expect([...landscapeFromCSV('f,x,y\n,0,0\n3,1,0').z]).toEqual([NaN, 3]);
  });

  it('names the line that is wrong', () => {
    expect(() => landscapeFromCSV('x,y,f\n')).toThrow(
      'landscapeFromCSV: x must have 2 values or more, got 0.',
    );
    expect(() => landscapeFromCSV('a,b\n1,2')).toThrow(
      /header must name x, y and a column of values; got a,b/,
    );
    expect(() => landscapeFromCSV('x,y,f\n0,0,1\n0,1,x')).toThrow(/line 3: "x" is not a number/);
    expect(() => landscapeFromCSV('\n x,y,"f\nof x"\n\n0,0,1\n\n0,1,x')).toThrow(/line 7: "x" is not/);
    expect(() => landscapeFromCSV('x,y,f\n0,0,1\n0,1')).toThrow(/line 3 has 2 fields for 3 columns/);
    expect(() => landscapeFromCSV('x,y,f\n0,0,1\n1,1,1\n0,1,2')).toThrow(
      /there are 3 points; a grid of 2 different x and 2 different y/,
    );
    expect(() => landscapeFromCSV('x,y,f\n0,0,1\n0,0,1\n0,1,2\n1,1,3')).toThrow(
      /the point \(0, 0\) occurs twice/,
    );
  });
});
