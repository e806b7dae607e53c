import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { writeNPY } from 'quasi-newton/landscape';
import { graph } from 'quasi-newton/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerIn } from './callIn.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'tables-'));
const at = (name: string) => join(folder, name);
const write = (name: string, content: string | Uint8Array) => writeFileSync(at(name), content);

const { call, json, refusal } = callerIn(folder);

/** Arrays as an .npz file, not compressed. */
function npz(arrays: Record<string, { data: readonly number[]; shape: readonly number[] }>): Uint8Array {
  const entry = (fixed: number, fields: readonly (readonly [at: number, value: number])[], name: string) => {
    const bytes = Buffer.alloc(fixed + name.length);
    for (const [where, value] of fields) bytes.writeUInt32LE(value, where);
    bytes.write(name, fixed);
    return bytes;
  };
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [key, { data, shape }] of Object.entries(arrays)) {
    const name = `${key}.npy`;
    const array = Buffer.from(writeNPY(data, shape));
    const head = entry(30, [[0, 0x04034b50], [14, crc32(array)], [18, array.length], [22, array.length], [26, name.length]], name); // prettier-ignore
    directory.push(entry(46, [[0, 0x02014b50], [16, crc32(array)], [20, array.length], [24, array.length], [28, name.length], [42, offset]], name)); // prettier-ignore
    parts.push(head, array);
    offset += head.length + array.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const points = Array.from({ length: 20 }, (_, i) => i / 10);
const rows = points.map((a) => `${a},${a * a},${1 + 3 * a}`);
const table = ['a,b,y', ...rows].join('\n');

beforeAll(async () => {
  write('plain.csv', table);
  await call('create plain.onnx --data plain.csv --target y --hidden 3');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const create = (data: string, more = '--target y') =>
  `create made.onnx --force --hidden 2 --data ${data} ${more}`;

describe('missing values', () => {
  it.each(['NA', 'NaN', 'null', '#N/A'])('%s among numbers does not make classes of them', async (word) => {
    write('hole.csv', table.replace(rows[3], `0.3,0.09,${word}`));
    expect(await refusal(create('hole.csv'))).toMatch(`line 5, column "y": "${word}" is not a number`);
  });

  it.each([
    ['', 'the field is empty'],
    ['NA', '"NA" stands for a missing value'],
  ])('among words, %j is no class', async (field, sentence) => {
    write('kinds.csv', ['a,kind', '1,short', `2,${field}`, '3,long'].join('\n'));
    expect(await refusal(create('kinds.csv', '--target kind'))).toMatch(`line 3, column "kind": ${sentence}`);
  });

  it.each(['x', 'y'])('NaN in array %s is refused before a network is made of it', async (name) => {
    const arrays = { x: { data: [1, 2, 3, 4], shape: [2, 2] }, y: { data: [1, 2], shape: [2] } };
    arrays[name as 'x'].data[1] = NaN;
    write('hole.npz', npz(arrays));
    rmSync(at('made.onnx'), { force: true });
    expect(await refusal(create('hole.npz', '--target y --input x'))).toMatch(`${name}: element 1 is NaN`);
    expect(existsSync(at('made.onnx'))).toBe(false);
  });

  it('numbers that float32 cannot hold are refused', async () => {
    write('vast.csv', 'a,y\n1e200,1\n2e200,2\n');
    expect(await refusal(create('vast.csv'))).toMatch('--input: the numbers are too large');
  });
});

describe('files as other programs write them', () => {
  it('text in UTF-16, of spreadsheets', async () => {
    write('wide.csv', Buffer.from(`\ufeff${table}`, 'utf16le'));
    expect(await json(create('wide.csv'))).toMatchObject({ sizes: [2, 2, 1] });
    write('wide.csv', Buffer.from(`\ufeff${table}`, 'utf16le').swap16());
    expect(await json(create('wide.csv'))).toMatchObject({ sizes: [2, 2, 1] });
  });

  it('archives with a single number before the samples', async () => {
    const note = { data: [3], shape: [] };
    write('noted.npz', npz({ note, x: { data: [1, 2], shape: [2, 1] }, y: { data: [1, 2], shape: [2] } }));
    expect(await json(create('noted.npz', '--target y --input x'))).toMatchObject({ sizes: [1, 2, 1] });
  });

  it('arrays of images: the network that is made takes them as they are', async () => {
    const x = { data: points.flatMap((a) => [a, -a, a * a, 1]), shape: [20, 2, 2] };
    write('images.npz', npz({ x, y: { data: points, shape: [20] } }));
    expect((await call(create('images.npz', '--target y --input x'))).code).toBe(0);
    const line = 'train made.onnx --data images.npz --target y --input x --max-iterations 5 --out seen.onnx';
    const { startLoss, loss } = await json(line);
    expect(loss).toBeLessThan(startLoss / 10);
    expect(await refusal(create('images.npz', '--target x --input y'))).toMatch('has shape [20, 2, 2]');
  });
});

describe('options that contradict each other', () => {
  it('columns given twice are refused, not half forgotten', async () => {
    expect(await refusal(create('plain.csv', '--target y --input a --input b'))).toMatch(
      'columns are given twice',
    );
    expect(await refusal(create('plain.csv', '--target y --input x=a --input x=b'))).toMatch(
      'those of "x" are given twice',
    );
  });

  it('a name given twice, columns without a name of their input, and a network too large for a file are refused', async () => {
    expect(await refusal(create('plain.csv', '--target y,y'))).toMatch('--target: "y" is named twice');
    expect(await refusal(create('plain.csv', '--target y --hidden 99999,99999'))).toMatch('1.0e+10 weights');
    const g = graph();
    const sum = g.add(g.input('a', ['N', 1]), g.input('b', ['N', 1]));
    g.output('out', g.op('MatMul', [sum, g.weight('w', [1, 1], () => 1)]));
    write('pair.onnx', g.toBytes());
    const train = 'train pair.onnx --data plain.csv --out t.onnx --target';
    expect(await refusal(`${train} y --input a,b`)).toMatch(
      '--input: the model has 2 inputs; say of which: --input a=NAMES --input b=NAMES',
    );
    expect(await refusal(`${train} a,b,y`)).toMatch('plain.csv has nothing beside the target');
    expect((await call(`${train} y --input a=b --input b=a --max-iterations 2`)).code).toBe(0);
  });

  it('the file of --test is named by that option', async () => {
    const line = 'train plain.onnx --data plain.csv --target y --out t.onnx --test';
    expect(await refusal(`${line} no.csv`)).toMatch('--test: no.csv: there is no such file');
    expect(await refusal(`${line} no.xls`)).toMatch('--test: no.xls must end in');
  });
});

describe('files that are written', () => {
  const train = 'train plain.onnx --data plain.csv --target y --solver lbfgs';

  it('never take the place of the data or of the checkpoint', async () => {
    const draw = 'landscape plain.onnx --data plain.csv --target y --npoints 3';
    expect(await refusal(`${draw} --out plain.csv`)).toMatch(
      '--out: plain.csv would overwrite the file of --data',
    );
    expect(await refusal(`${draw} --out ./kept.csv --checkpoint kept.csv`)).toMatch(
      'the file of --checkpoint',
    );
    expect(readFileSync(at('plain.csv'), 'utf8')).toBe(table);
  });

  it('that cannot be written are noticed before the work', async () => {
    const long = `${'x'.repeat(250)}.onnx`;
    expect(await refusal(`${train} --out ${long}`)).toMatch(/--out: x+\.onnx cannot be written/);
    expect(await refusal(create('plain.csv').replace('made.onnx', long))).toMatch(
      /model: x+\.onnx cannot be written/,
    );
  });

  it('a process that ends while it writes a file leaves no draft behind', () => {
    const module = JSON.stringify(new URL('../../bin/lib/output.js', import.meta.url).href);
    const script = `import(${module}).then(({ writeWhole }) => {
      writeWhole('drafted.json', 'x'.repeat(1e7));
      setTimeout(() => process.exit(130), 1);
    })`;
    spawnSync('node', ['-e', script], { cwd: folder });
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('hold the answer of a run that has converged where it begins, or where it is resumed', async () => {
    const first = await json(`${train} --gtol 0.1 --out first.onnx --save-state run.json`);
    expect(first.converged).toBe(true);
    const line = `${train} --gtol 0.1 --out second.onnx --save-state again.json`;
    expect(await json(`${line} --resume run.json`)).toMatchObject({ iterations: 0, out: 'second.onnx' });
    expect(readFileSync(at('second.onnx')).equals(readFileSync(at('first.onnx')))).toBe(true);
    expect(existsSync(at('again.json'))).toBe(true);
    const third = await json(`${train.replace('plain.onnx', 'first.onnx')} --gtol 0.1 --out third.onnx`);
    expect(third).toMatchObject({ iterations: 0, out: 'third.onnx' });
  });

  it('a checkpoint of another loss or plane is refused with a sentence', async () => {
    const draw = 'landscape plain.onnx --data plain.csv --target y --out map.csv --checkpoint grid.bin';
    expect((await call(`${draw} --npoints 3`)).code).toBe(0);
    expect(await refusal(`${draw} --npoints 3 --loss mae`)).toMatch(
      '--checkpoint: grid.bin belongs to another loss',
    );
    expect(await refusal(`${draw} --npoints 5`)).toMatch(
      '--checkpoint: grid.bin belongs to another landscape',
    );
    expect(await refusal(`${draw.replace('grid.bin', 'no/grid.bin')} --npoints 3`)).toMatch(
      '--checkpoint: no/grid.bin cannot',
    );
  });
});

describe('a state of mini-batches, on which no loss can be compared', () => {
  const line =
    'train plain.onnx --data plain.csv --target y --solver slbfgs --batch-size 5 --max-iterations 3';

  it('is refused for another loss, or other samples', async () => {
    await call(`${line} --out part.onnx --save-state batches.json`);
    const resumed = `${line} --out rest.onnx --resume batches.json`;
    expect(await refusal(`${resumed} --loss mae`)).toMatch('was saved with --loss mse, here it is mae');
    expect(await refusal(`${resumed} --l2 0.1`)).toMatch('was saved with --l2 0, here it is 0.1');
    write('fewer.csv', table.split('\n').slice(0, 15).join('\n'));
    expect(await refusal(resumed.replace('plain.csv', 'fewer.csv'))).toMatch(
      'saved on 20 samples, here there are 14',
    );
    write('other.csv', table.replace('0.1,', '0.1000001,'));
    expect(await refusal(resumed.replace('plain.csv', 'other.csv'))).toMatch(
      '--resume: batches.json was saved on other data of the same size; give the same data.',
    );
    expect((await call(resumed)).code).toBe(0);
  });

  it.each(['null', '3', '[]', '{"train": {}, "batches": 1}'])('is not read from %s', async (text) => {
    write('strange.json', text);
    expect(await refusal(`${line} --out r.onnx --resume strange.json`)).toMatch(
      'it is no file of train --save-state',
    );
  });
});
