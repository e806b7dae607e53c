import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCSV } from '../../bin/lib/csv.js';
import { readNPZ } from '../../bin/lib/npz.js';

const fieldsOf = (text: string) => readCSV(text).map(({ fields }) => fields);

describe('readCSV', () => {
  it('reads quotes, line breaks in them, a byte order mark, and skips empty lines', () => {
    const rows = readCSV('\ufeffa,"b, ""c"""\r\n\r\n1,"two\nlines"\n3,\n');
    expect(rows).toEqual([
      { line: 1, fields: ['a', 'b, "c"'] },
      { line: 3, fields: ['1', 'two\nlines'] },
      { line: 5, fields: ['3', ''] },
    ]);
  });

  it('takes semicolons and tabs where the first line has more of them than commas', () => {
    expect(fieldsOf('a;b\n1,5;2')).toEqual([['a', 'b'], ['1,5', '2']]); // prettier-ignore
    expect(fieldsOf('a\tb\n1\t2\n')).toEqual([['a', 'b'], ['1', '2']]); // prettier-ignore
  });

  it('takes the separator from the first line with a character, outside of quotes', () => {
    expect(fieldsOf('\n\r\na\tb\n1\t2')).toEqual([['a', 'b'], ['1', '2']]); // prettier-ignore
    expect(fieldsOf('"a, in m, or\ncm, or km";b\n1;2')).toEqual([['a, in m, or\ncm, or km', 'b'], ['1', '2']]); // prettier-ignore
  });

  it('drops blanks around quotes, and keeps those within', () => {
    expect(fieldsOf('"a", "b" ,c\n1, " 2",\t"3"')).toEqual([['a', 'b', 'c'], ['1', ' 2', '3']]); // prettier-ignore
    expect(fieldsOf('a\t "b"\n\t"2"')).toEqual([['a', 'b'], ['', '2']]); // prettier-ignore
  });

  it('refuses rows of another length and quotes that are not closed, with their line', () => {
    expect(() => readCSV('a,b\n1,2\n3\n')).toThrow('line 3 has 1 fields; the first row has 2');
    expect(() => readCSV('a,b\n1,"2\n')).toThrow('line 2: a quoted field is not closed');
    expect(() => readCSV('a,b\n1,"2"x\n')).toThrow('line 2');
  });

  it('gives back what was quoted, whatever it is', () => {
    const field = fc.string({ unit: fc.constantFrom(...'ab ,;"\n\r\t1'.split('')) });
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 }),
      );
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(table, (rows) => {
        // The header decides on the separator, so it holds none.
        const all = [rows[0].map((_, i) => `c${i}`), ...rows];
        const text = all.map((row) => row.map(quoted).join(',')).join('\n');
        expect(fieldsOf(text)).toEqual(all);
      }),
    );
  });
});

describe('readNPZ', () => {
  // numpy.savez_compressed(x=[[0, 1], [2, 3], [4, 5]] as float32, y=the same in Fortran's order, label=[0, 1, 1] as uint8)
  const compressed = Buffer.from(
    'UEsDBC0AAAAIAAAAIQDMypy9//////////8FABQAeC5ucHkBABAAmAAAAAAAAABVAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6CkaaOgq1CmQDLgYwaLAHEg5ABMQNQLzAAQBQSwMELQAAAAgAAAAhADxv6Mr//////////wUAFAB5Lm5weQEAEACwAAAAAAAAAFUAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSDykqTQUKF2ckFqQCuRrGOgpGmjoKtQrkAy4GKGCC0ixQmhFKM0NpVigNAFBLAwQtAAAACAAAACEA8rtvdf//////////CQAUAGxhYmVsLm5weQEAEACDAAAAAAAAAEcAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjqaOgq1ChQALgZGRgBQSwECLQMtAAAACAAAACEAzMqcvVUAAACYAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwECLQMtAAAACAAAACEAPG/oylUAAACwAAAABQAAAAAAAAAAAAAAgAGMAAAAeS5ucHlQSwECLQMtAAAACAAAACEA8rtvdUcAAACDAAAACQAAAAAAAAAAAAAAgAEYAQAAbGFiZWwubnB5UEsFBgAAAAADAAMAnQAAAJoBAAAAAA==',
    'base64',
  );
  // numpy.savez(x=[[0, 1]] as float32)
  const stored = Buffer.from(
    'UEsDBC0AAAAAAAAAIQDYib0s//////////8FABQAeC5ucHkBABAAiAAAAAAAAACIAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAyKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAAgD9QSwECLQMtAAAAAAAAACEA2Im9LIgAAACIAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwUGAAAAAAEAAQAzAAAAvwAAAAAA',
    'base64',
  );

  it('reads what numpy.savez and numpy.savez_compressed write', () => {
    const arrays = readNPZ(compressed);
    expect([...arrays.keys()]).toEqual(['x', 'y', 'label']);
    expect(arrays.get('x')).toEqual({ shape: [3, 2], data: Float64Array.of(0, 1, 2, 3, 4, 5) });
    expect(arrays.get('y')?.data).toEqual(Float64Array.of(0, 1, 2, 3, 4, 5));
    expect(arrays.get('label')).toEqual({ shape: [3], data: Float64Array.of(0, 1, 1) });
    expect(readNPZ(stored).get('x')?.data).toEqual(Float64Array.of(0, 1));
  });

  it('refuses what is no archive, and what is cut short or damaged', () => {
    expect(() => readNPZ(new Uint8Array(50))).toThrow('no .npz file');
    expect(() => readNPZ(compressed.subarray(0, 300))).toThrow('no .npz file');
    const damaged = Buffer.from(compressed);
    damaged.fill(7, 60, 120);
    expect(() => readNPZ(damaged)).toThrow('array x.npy');
    // One bit of a number, in an array that is not compressed.
    const flipped = Buffer.from(stored);
    flipped[flipped.indexOf(Buffer.of(0x80, 0x3f))] ^= 1;
    expect(() => readNPZ(flipped)).toThrow('array x.npy: it is damaged: its checksum differs');
  });
});
