import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { columns } from '../../bin/lib/columns.js';
import { readTable, type Reading } from '../../bin/lib/table.js';
import { callIn } from './callIn.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'spreadsheets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plain: Reading = { header: undefined, decimal: undefined, skipsMissing: undefined };
const read = (text: string, reading: Partial<Reading> = {}) =>
  columns('t.csv', text, { ...plain, ...reading });
const valuesOf = (text: string, reading?: Partial<Reading>) => {
  const table = read(text, reading);
  return Array.from(table.numbers(table.names).data);
};
const call = (line: string | readonly string[]) => callIn(folder, line);

describe('decimal commas', () => {
  it('are read where semicolons or tabs separate the fields', () => {
    expect(valuesOf('a;b\n1,5;-2,25e3\n,5;7\n')).toEqual([1.5, -2250, 0.5, 7]);
    expect(valuesOf('a\tb\n1,5\t3\n')).toEqual([1.5, 3]);
    expect(valuesOf('a,b\n"1,5","2"\n', { decimal: ',' })).toEqual([1.5, 2]);
  });

  it('are not read beside points, which they separate from thousands', () => {
    expect(() => valuesOf('a;b\n1,500;2.5\n')).toThrow(/"1,500" is not a number/);
    expect(valuesOf('a;b\n1.5;2\n')).toEqual([1.5, 2]);
  });

  it('are refused where they may separate thousands', () => {
    expect(() => valuesOf('a;b\n1,500;2\n')).toThrow(
      /may be decimal marks or separate thousands\. Pass --decimal comma/,
    );
    expect(valuesOf('a;b\n1,500;2\n', { decimal: ',' })).toEqual([1.5, 2]);
    expect(valuesOf('a;b\n0,500;2\n')).toEqual([0.5, 2]);
  });

  it('give the numbers that points give', () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 8 }), (rows) => {
        const text = `a;b\n${rows.map((row) => row.join(';')).join('\n')}\n`;
        expect(valuesOf(text.replaceAll('.', ','), { decimal: ',' })).toEqual(valuesOf(text));
      }),
    );
  });
});

describe('columns without a name', () => {
  it('are left out: row numbers, and what follows a trailing comma', () => {
    expect(read(',a,b\n0,1,2\n1,3,4\n').names).toEqual(['a', 'b']);
    expect(valuesOf(',a,b\n0,1,2\n1,3,4\n')).toEqual([1, 2, 3, 4]);
    expect(valuesOf('a,b,,\n1,2,,\n')).toEqual([1, 2]);
  });

  it('are told of', async () => {
    writeFileSync(join(folder, 'index.csv'), ',a,y\n0,1,2\n1,3,5\n2,4,4\n');
    const { code, out, err } = await call('create index.onnx --data index.csv --target y --hidden 2');
    expect(code).toBe(0);
    expect(out).toContain('1-2-1');
    expect(err).toContain('index.csv: left out for want of a name: column 1.');
  });
});

describe('missing values', () => {
  const holes = 'a,b,word\n1,2,x\n,3,y\n4,NA,y\n5,6,\n7,8,z\n';

  it('are left out with their samples on demand', async () => {
    const table = read(holes, { skipsMissing: true });
    expect(table.samples).toBe(2);
    expect(Array.from(table.numbers(['a', 'b']).data)).toEqual([1, 2, 7, 8]);
    expect(table.words('word')).toEqual(['x', 'z']);
    writeFileSync(join(folder, 'holes.csv'), holes);
    const { err } = await call('create holes.onnx --data holes.csv --target word --hidden 2 --skip-missing');
    expect(err).toContain('holes.csv: left out for a missing value: 3 of 5 rows.');
  });

  it('a missing value is an error that names --skip-missing', () => {
    expect(() => valuesOf('a,b\n1,\n')).toThrow(
      /the field is empty; fill it, leave out such rows with --skip-missing/,
    );
    expect(() => read('a\nNA\n', { skipsMissing: true })).toThrow(/no samples without a missing value/);
  });
});

it('text that is not UTF-8 is read as Windows-1252', async () => {
  const path = join(folder, 'latin.csv');
  writeFileSync(path, Buffer.from('größe,preis €\n1,2\n', 'utf8'));
  expect((await readTable(path, plain)).names).toEqual(['größe', 'preis €']);
  writeFileSync(path, Buffer.from([0x67, 0x72, 0xf6, 0xdf, 0x65, 0x2c, 0x80, 0x0a, 0x31, 0x2c, 0x32, 0x0a]));
  expect((await readTable(path, plain)).names).toEqual(['größe', '€']);
});

it('options say how a file is read', async () => {
  writeFileSync(join(folder, 'thousands.csv'), 'a;y\n1,500;2\n2,500;3\n3,500;5\n');
  const create = 'create thousands.onnx --data thousands.csv --target y --hidden 2';
  expect(await call(create)).toMatchObject({ code: 2, err: expect.stringContaining('--decimal comma') });
  expect(await call(`${create} --decimal comma`)).toMatchObject({ code: 0 });
  expect(await call(`${create} --force --decimal point`)).toMatchObject({ code: 2 });
});

describe('what create suggests', () => {
  it('runs as it stands, whatever the names', async () => {
    writeFileSync(join(folder, 'two words.csv'), "a,it's µ\n1,2\n3,5\n4,4\n");
    const { out } = await call([
      'create', 'w x.onnx', '--data', 'two words.csv', '--target', "it's µ", '--hidden', '2',
    ]); // prettier-ignore
    expect(out).toContain(
      String.raw`train 'w x.onnx' --data 'two words.csv' --target 'it'\''s µ' --loss mse --out trained.onnx`,
    );
  });

  it('is classes for a target of 0 and 1', async () => {
    writeFileSync(join(folder, 'yes.csv'), 'a,y\n1,0\n3,1\n4,1\n');
    expect((await call('create yes.onnx --data yes.csv --target y --hidden 2')).out).toContain('--classes');
    const classes = await call('create no.onnx --data yes.csv --target y --hidden 2 --classes');
    expect(classes.out).not.toContain('note');
  });
});
