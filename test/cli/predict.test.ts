import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { graph } from 'quasi-newton/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerIn } from './callIn.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'predict-'));
const at = (name: string) => join(folder, name);
const write = (name: string, rows: readonly string[]) => writeFileSync(at(name), rows.join('\n'));
const rowsOf = (name: string) => readFileSync(at(name), 'utf8').trimEnd().split('\n');

const { call, json, refusal } = callerIn(folder);

/** Houses: 40 rows; the price is 3 per m², times 2 in the old town. */
const districts = ['north', 'old town', 'south, by the "river"'];
const quoted = (word: string) => (/[,"]/.test(word) ? `"${word.replaceAll('"', '""')}"` : word);
const houses = Array.from({ length: 40 }, (_, i) => {
  const [area, district] = [50 + ((i * 37) % 100), districts[i % 3]];
  return { area, district, zip: 1010 + 10 * (i % 2), price: 3 * area * (district === 'old town' ? 2 : 1) };
});
const header = 'area,district,zip,price';
const lines = houses.map((h) => `${h.area},${quoted(h.district)},${h.zip},${h.price}`);
const encoded = (area: number, district: string) => [
  area,
  ...districts.map((name) => Number(name === district)),
];

/** Output of a model in bare ONNX Runtime. */
async function run(file: string, rows: readonly (readonly number[])[]): Promise<number[][]> {
  const session = await ort.InferenceSession.create(readFileSync(at(file)));
  const x = new ort.Tensor('float32', Float32Array.from(rows.flat()), [rows.length, rows[0].length]);
  const { y } = await session.run({ x });
  await session.release();
  const width = y.data.length / rows.length;
  return rows.map((_, i) => Array.from(y.data.slice(i * width, (i + 1) * width), Number));
}

beforeAll(async () => {
  write('houses.csv', [header, ...lines]);
  await call('create price.onnx --data houses.csv --target price --ignore zip --hidden 4');
  await call('train price.onnx --data houses.csv --max-iterations 200 --out trained.onnx');
  write('kinds.csv', ['size,kind', ...houses.map(({ area }) => `${area},${area < 100 ? 'small' : 'large'}`)]);
  await call('create kind.onnx --data kinds.csv --target kind --hidden 3');
  await call('train kind.onnx --data kinds.csv --max-iterations 30 --out kind.onnx');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('columns of words', () => {
  it('become one number for each category, in alphabetical order', async () => {
    expect(
      await json('create made.onnx --force --data houses.csv --target price --ignore zip'),
    ).toMatchObject({
      sizes: [4, 16, 16, 1],
      categories: 'district: north, old town, "south, by the \\"river\\""',
    });
    const rows = [[70, 'old town'] as const, [120, districts[2]] as const];
    write('two.csv', ['district,area', ...rows.map(([area, district]) => `${quoted(district)},${area}`)]);
    const { predictions } = await json('predict trained.onnx --data two.csv');
    const truth = await run('trained.onnx', rows.map(([area, name]) => encoded(area, name))); // prettier-ignore
    predictions.predicted_price.forEach((value: number, i: number) =>
      expect(Math.fround(value)).toBe(Math.fround(truth[i][0])),
    );
  });

  it('are learned: the price depends on the district', async () => {
    expect((await json('predict trained.onnx --data houses.csv')).rSquared).toBeGreaterThan(0.99);
  });

  it('are found by name, whatever the order and the other columns of the table', async () => {
    const { predictions } = await json('predict trained.onnx --data houses.csv');
    write('turned.csv', [
      'note,zip,district,area',
      ...houses.map((h) => `x,,${quoted(h.district)},${h.area}`),
    ]);
    expect((await json('predict trained.onnx --data turned.csv')).predictions).toEqual(predictions);
    const trainedOn = 'train price.onnx --max-iterations 5 --out o.onnx --data';
    write('moved.csv', [
      'price,district,area',
      ...houses.map((h) => `${h.price},${quoted(h.district)},${h.area}`),
    ]);
    expect((await json(`${trainedOn} moved.csv`)).loss).toBe((await json(`${trainedOn} houses.csv`)).loss);
  });

  it('are refused where a word is no category, or missing', async () => {
    write('odd.csv', ['area,district', '70,north', '80,west']);
    const sentence =
      'odd.csv: line 3, column "district": "west" is not among the categories that the model knows: north, old town';
    expect(await refusal('predict trained.onnx --data odd.csv')).toContain(sentence);
    write('odd.csv', ['area,district,price', '70,north,1', '80,west,2']);
    expect(await refusal('train price.onnx --data odd.csv --out o.onnx')).toContain(sentence);
    const held = 'train price.onnx --data houses.csv --out o.onnx --test odd.csv';
    expect(await refusal(held)).toContain(sentence);
    write('odd.csv', ['area,district', '70,north', '80,NA']);
    expect(await refusal('predict trained.onnx --data odd.csv')).toContain('"NA" stands for a missing value');
    expect((await json('predict trained.onnx --data odd.csv --skip-missing')).samples).toBe(1);
  });

  it('columns of words with one word among numbers are errors, not categories', async () => {
    write('slip.csv', [header, ...lines].join('\n').replace('50,north', '5O,north').split('\n'));
    expect(await refusal('create made.onnx --force --data slip.csv --target price')).toContain(
      'line 2, column "area": "5O" is not a number; change it, drop the row, encode the column with --categories area,',
    );
  });

  it.each(['$5', '1,500', '2024-05-01', '12 %'])(
    'that hold numbers of another form are errors: %s',
    async (text) => {
      write('form.csv', ['a;y', ...[1, 2, 3].map((k) => `${text};${k}`)]);
      expect(await refusal('create made.onnx --force --data form.csv --target y --decimal point')).toContain(
        `${JSON.stringify(text)} is not a number`,
      );
    },
  );

  it('columns of words of names are refused, unless they are asked for', async () => {
    write('names.csv', ['name,y', ...houses.map((_, i) => `house ${'ab'.repeat(i + 1)},${i}`)]);
    const create = 'create made.onnx --force --data names.csv --target y --hidden 2';
    expect(await refusal(create)).toContain('holds 40 different words');
    expect(await json(`${create} --categories name`)).toMatchObject({ sizes: [40, 2, 1] });
  });

  it('columns of words of numbers are categories on demand', async () => {
    const create = 'create made.onnx --force --data houses.csv --target price --hidden 2';
    expect(await json(create)).toMatchObject({ sizes: [5, 2, 1] });
    const made = await json(`${create} --categories zip`);
    expect(made).toMatchObject({ sizes: [6, 2, 1], categories: expect.stringContaining('zip: 1010, 1020') });
    expect(await refusal(`${create} --categories zap`)).toContain('--categories: houses.csv has no "zap"');
  });
});

describe('what a file says of its table', () => {
  it('gives train its target and loss, and is told by explain', async () => {
    expect(await json('train kind.onnx --data kinds.csv --max-iterations 2 --out o.onnx')).toMatchObject({
      lossName: 'softmaxCrossEntropy',
      classes: ['large', 'small'],
    });
    expect((await call('explain kind.onnx')).out).toContain('classes large, small');
    expect((await json('explain trained.onnx')).table).toMatchObject({
      target: { columns: ['price'] },
      loss: 'mse',
    });
  });

  it('keeps the classes, where a table has fewer of them', async () => {
    write('small.csv', ['size,kind', '60,small', '70,small', '80,small']);
    expect(await json('train kind.onnx --data small.csv --max-iterations 2 --out o.onnx')).toMatchObject({
      classes: ['large', 'small'],
    });
    expect((await json('predict kind.onnx --data small.csv')).accuracy).toBe(1);
    write('small.csv', ['size,kind', '60,tiny']);
    expect(await refusal('train kind.onnx --data small.csv --out o.onnx')).toContain(
      'line 2: the class "tiny"',
    );
  });

  it('is written by train into the file of another program, and leaves the rest as it was', async () => {
    const g = graph();
    const out = g.op('MatMul', [g.input('x', ['N', 4]), g.weight('w', [4, 1], () => 0.5)]);
    g.output('y', out);
    writeFileSync(at('foreign.onnx'), g.toBytes());
    const train = 'train foreign.onnx --data houses.csv --target price --ignore zip --max-iterations 50';
    const { loss } = await json(`${train} --out known.onnx`);
    const rows = houses.map((h) => encoded(h.area, h.district));
    const errors = (await run('known.onnx', rows)).map(([y], i) => (y - houses[i].price) ** 2);
    expect(errors.reduce((a, b) => a + b) / 40).toBeCloseTo(loss, 0);
    expect((await json('predict known.onnx --data houses.csv')).rmse).toBeCloseTo(Math.sqrt(loss), 1);
    const model = fromBinary(ModelProtoSchema, readFileSync(at('known.onnx')));
    model.metadataProps = [];
    model.graph!.initializer[0].rawData = fromBinary(
      ModelProtoSchema,
      g.toBytes(),
    ).graph!.initializer[0].rawData;
    expect(Buffer.from(toBinary(ModelProtoSchema, model)).equals(Buffer.from(g.toBytes()))).toBe(true);
  });

  it('that is damaged is refused', async () => {
    const model = fromBinary(ModelProtoSchema, readFileSync(at('trained.onnx')));
    for (const value of ['{', 'null', '{"inputs":{"x":[{}]}}', '{"inputs":{},"loss":3}']) {
      model.metadataProps[0].value = value;
      writeFileSync(at('damaged.onnx'), toBinary(ModelProtoSchema, model));
      expect(await refusal('predict damaged.onnx --data houses.csv')).toContain(
        'the metadata quasi-newton.table',
      );
    }
  });

  it('refuses a target that the model reads, and another number of columns', async () => {
    const train = 'train price.onnx --data houses.csv --out o.onnx';
    expect(await refusal(`${train} --target area`)).toContain('--target: "area" is an input of the model');
    expect(await refusal(`${train} --input area`)).toContain(
      '1 columns are given; the model reads 2: area, district',
    );
    expect(await refusal(`${train} --categories area`)).toContain(
      'the model knows how its columns are encoded',
    );
    const { predictions } = await json('predict trained.onnx --data houses.csv');
    write('renamed.csv', ['size,quarter', ...houses.map((h) => `${h.area},${quoted(h.district)}`)]);
    expect(await refusal('predict trained.onnx --data renamed.csv')).toContain('renamed.csv has no column "');
    expect((await json('predict trained.onnx --data renamed.csv --input size,quarter')).predictions).toEqual(
      predictions,
    );
    expect((await json('predict trained.onnx --data houses.csv --input district,area')).predictions).toEqual(
      predictions,
    );
  });
});

describe('quasi-newton predict', () => {
  it('writes the table with its predictions, or these alone', async () => {
    const { out } = await call('predict trained.onnx --data houses.csv --out p.csv');
    expect(out).toMatch(
      /samples {2}40\ncolumns {2}predicted_price\ntruth {4}root mean square error .*, R² (0\.99|1\.00)/,
    );
    const rows = rowsOf('p.csv');
    expect(rows[0]).toBe(`${header},predicted_price`);
    expect(rows.slice(1).map((row) => row.replace(/,[^,]*$/, ''))).toEqual(lines);
    await call('predict trained.onnx --data houses.csv --only --out q.csv');
    expect(rowsOf('q.csv')).toEqual(rows.map((row) => row.replace(/.*,/, '')));
    expect(await refusal('predict trained.onnx --data p.csv --out r.csv')).toContain(
      'has a column "predicted_price"',
    );
    expect(await refusal('predict trained.onnx --data houses.csv --out houses.csv')).toContain(
      'would overwrite',
    );
  });

  it('names the likeliest class, with the probability of each', async () => {
    const { predictions, accuracy } = await json('predict kind.onnx --data kinds.csv');
    const logits = await run('kind.onnx', houses.map(({ area }) => [area])); // prettier-ignore
    logits.forEach(([large, small], i) => {
      const share = 1 / (1 + Math.exp(large - small));
      expect(predictions.probability_small[i]).toBeCloseTo(share, 5);
      expect(predictions.probability_large[i]).toBeCloseTo(1 - share, 5);
      expect(predictions.predicted_kind[i]).toBe(share > 0.5 ? 'small' : 'large');
    });
    expect(accuracy).toBeGreaterThan(0.9);
  });

  it.each([
    ['Softmax', 'softmaxCrossEntropy', [0.5, 0.5]],
    ['LogSoftmax', 'softmaxCrossEntropy', [0.5, 0.5]],
    ['Sigmoid', 'binaryCrossEntropy', [0.731059, 0.731059]],
    ['Identity', 'softmaxCrossEntropy', [0.5, 0.5]],
    ['Identity', 'binaryCrossEntropy', [0.731059, 0.731059]],
  ])('knows whether a model ends in probabilities: %s, %s', async (op, loss, shares) => {
    const g = graph();
    g.output('y', g.op(op, [g.op('MatMul', [g.input('x', ['N', 1]), g.weight('w', [1, 2], () => 1)])]));
    writeFileSync(at('ends.onnx'), g.toBytes());
    write('one.csv', ['x', '1']);
    const { predictions } = await json(`predict ends.onnx --data one.csv --loss ${loss}`);
    const columns = Object.entries(predictions).filter(([name]) => name.startsWith('probability_'));
    expect(columns.map(([, values]) => (values as number[])[0])).toEqual(shares);
  });

  it('writes with the separator and the decimal mark of the table', async () => {
    write('marks.csv', ['a;y', ...[1, 2, 3, 4].map((k) => `${k},5;${k},25`)]);
    await call('create marks.onnx --data marks.csv --target y --hidden 2');
    await call('predict marks.onnx --data marks.csv --out p.csv');
    expect(rowsOf('p.csv')[0]).toBe('a;y;predicted_y');
    expect(rowsOf('p.csv')[1]).toMatch(/^1,5;1,25;-?\d+,\d+$/);
  });

  it('runs models that take one sample at a time, integers, and inputs that are fixed', async () => {
    const g = graph();
    const sum = g.add(g.op('Cast', [g.input('k', [1, 2], 'int64')], { to: 1 }), g.input('shift', [1]));
    g.output('y', g.op('ReduceSum', [sum], { keepdims: 0 }));
    writeFileSync(at('single.onnx'), g.toBytes());
    write('whole.csv', ['a,b', '1,2', '3,4']);
    const { predictions } = await json('predict single.onnx --data whole.csv --fix shift=10');
    expect(predictions).toEqual({ predicted_y: [23, 27] });
    expect(await refusal('predict single.onnx --data whole.csv --fix other=1')).toContain('no input "other"');
  });

  it('refuses words if the file does not tell how they are encoded', async () => {
    const g = graph();
    g.output('y', g.op('MatMul', [g.input('x', ['N', 4]), g.weight('w', [4, 1], () => 0.5)]));
    writeFileSync(at('foreign.onnx'), g.toBytes());
    expect(await refusal('predict foreign.onnx --data houses.csv --input area,district')).toContain(
      '"north" is not a number',
    );
  });
});
