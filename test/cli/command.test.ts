import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callIn } from './callIn.ts';
import { mnist } from '../../examples/lib/mnist.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'cli-'));
const at = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(at(name), text);

/** Runs the command in the folder; `interrupt` sends it a SIGINT so many milliseconds after training begins. */
async function run(line: string, { interrupt = 0 } = {}) {
  const child = spawn('node', [join(root, 'bin/quasi-newton.js'), ...line.split(' ')], { cwd: folder });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  if (interrupt > 0) child.stderr.once('data', () => setTimeout(() => child.kill('SIGINT'), interrupt));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

/** The same in this process, which is quicker and cannot be interrupted. */
const call = (line: string) => callIn(folder, line);
const json = async (line: string) => JSON.parse((await run(`${line} --json`)).out);

/** Digits as a table: the label, then pixels; a model that learns from it is judged without the package. */
function digitsTable(count: number): string {
  const { pixels, labels } = mnist(0, count);
  const header = ['label', ...Array.from({ length: 784 }, (_, i) => `p${i}`)];
  const rows = Array.from({ length: count }, (_, i) => [
    labels[i],
    ...pixels.subarray(784 * i, 784 * (i + 1)),
  ]);
  return [header, ...rows].map((row) => row.join(',')).join('\n');
}

/** Mean cross-entropy of a classifier of digits, from its logits, in plain arithmetic. */
async function crossEntropy(file: string, count: number): Promise<number> {
  const { pixels, labels } = mnist(0, count);
  const session = await ort.InferenceSession.create(readFileSync(at(file)));
  const { logits } = await session.run({ pixels: new ort.Tensor('float32', pixels, [count, 784]) });
  await session.release();
  const rows = Array.from({ length: count }, (_, i) =>
    Array.from(logits.data.slice(10 * i, 10 * i + 10), Number),
  );
  const losses = rows.map(
    (row, i) => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[labels[i]],
  );
  return losses.reduce((a, b) => a + b) / count;
}

beforeAll(() => {
  copyFileSync(join(root, 'examples/models/digits.onnx'), at('digits.onnx'));
  write('digits.csv', digitsTable(100));
  const points = Array.from({ length: 40 }, (_, i) => i / 10);
  write('plane.csv', ['a,b,y', ...points.map((a) => `${a},${a * a},${100 + 3 * a - 2 * a * a}`)].join('\n'));
  write('kinds.csv', ['w;kind', ...points.map((a) => `${a};${a < 2 ? 'short' : 'long'}`)].join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const onDigits = 'digits.onnx --data digits.csv --target label --loss softmaxCrossEntropy';

describe('quasi-newton explain', () => {
  it('tells what is trained in the shipped classifier, for people and as JSON', async () => {
    const { code, out } = await run('explain digits.onnx');
    expect(code).toBe(0);
    expect(out).toContain('differentiable: 4 parameters, 25450 numbers');
    const report = await json('explain digits.onnx');
    expect(report.inputs).toEqual([{ name: 'pixels', shape: ['batch', 784] }]);
    expect(report.parameters.map(({ trained }: { trained: boolean }) => trained)).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('takes the sizes that the file leaves open, and reports those that do not fit', async () => {
    expect((await run('explain digits.onnx --shape pixels=5,784 --output logits')).code).toBe(0);
    const { code, out } = await run('explain digits.onnx --shape pixels=?,10');
    expect(code).toBe(1);
    expect(out).toContain('does not fit [?, 10]');
  });
});

describe('quasi-newton train', () => {
  it('writes a model whose loss, computed without the package, is the one it tells', async () => {
    const told = await json(
      `train ${onDigits} --solver lbfgs --max-iterations 20 --out trained.onnx --curve curve.svg`,
    );
    expect(told.loss).toBeLessThan(0.1);
    expect(told.startLoss).toBeCloseTo(await crossEntropy('digits.onnx', 100), 4);
    expect(await crossEntropy('trained.onnx', 100)).toBeCloseTo(told.loss, 4);
    expect(readFileSync(at('curve.svg'), 'utf8')).toContain('<svg');
  });

  it.each(['lbfgs', 'adam --batch-size 16 --seed 3'])(
    'saved and resumed, equals the uninterrupted run bit for bit: %s',
    { timeout: 60_000 },
    async (solver) => {
      const line = `train ${onDigits} --solver ${solver}`;
      await json(`${line} --max-iterations 10 --out whole.onnx`);
      await json(`${line} --max-iterations 4 --out part.onnx --save-state part.json`);
      await json(`${line} --max-iterations 6 --out rest.onnx --resume part.json`);
      expect(readFileSync(at('rest.onnx')).equals(readFileSync(at('whole.onnx')))).toBe(true);
      expect(readFileSync(at('part.onnx')).equals(readFileSync(at('whole.onnx')))).toBe(false);
    },
  );

  it('refuses to resume what is no state, or another order of mini-batches', async () => {
    write('nothing.json', '{}');
    const line = `train ${onDigits} --solver adam --out rest.onnx`;
    const foreign = await run(`${line} --resume nothing.json`);
    expect([foreign.code, foreign.err]).toEqual([2, expect.stringContaining('nothing.json cannot be read')]);
    await json(`${line} --batch-size 16 --max-iterations 2 --save-state batches.json`);
    const other = await run(`${line} --batch-size 16 --seed 1 --resume batches.json`);
    expect([other.code, other.err]).toEqual([2, expect.stringContaining('--seed 0')]);
  });

  it('stops at Ctrl-C, writes what was reached and says so', async () => {
    const line = `train ${onDigits} --solver adam --max-iterations 10000000 --max-time 30 --gtol 0 --out stopped.onnx --json`;
    const { code, out, err } = await run(line, { interrupt: 1500 });
    expect(code).toBe(130);
    expect(err).toContain('Stopping');
    const told = JSON.parse(out);
    expect(told.interrupted).toBe(true);
    expect(await crossEntropy('stopped.onnx', 100)).toBeCloseTo(told.loss, 3);
  });

  it('exits with 1 where training fails, and with 2 where it cannot begin, and writes nothing', async () => {
    await run('create far.onnx --data plane.csv --target y --hidden 2 --no-normalize');
    const line = 'train far.onnx --data plane.csv --target y --out none.onnx';
    const failed = await run(`${line} --solver adam --learning-rate 1e25`);
    expect([failed.code, failed.out]).toEqual([1, expect.stringContaining('NaN or infinite')]);
    write('huge.csv', 'a,b,y\n1,1,1e30\n2,1,-1e30\n');
    const refused = await run(line.replace('plane.csv', 'huge.csv'));
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('f(p0) is Infinity')]);
    expect(existsSync(at('none.onnx'))).toBe(false);
  });

  it('judges samples held out', async () => {
    const { test } = await json(`train ${onDigits} --max-iterations 5 --test digits.csv --out judged.onnx`);
    expect(test.after.loss).toBeCloseTo(await crossEntropy('judged.onnx', 100), 4);
    expect(test.after.accuracy).toBeGreaterThan(test.before.accuracy);
  });
});

describe('a model whose weights lie in a file beside it', () => {
  const trainIt =
    'train split.onnx --data digits.csv --target label --loss softmaxCrossEntropy --max-iterations 3';

  /** Writes the classifier of digits as torch writes large models: its first tensor in another file. */
  function split(location: string): void {
    const model = fromBinary(ModelProtoSchema, new Uint8Array(readFileSync(at('digits.onnx'))));
    const [tensor] = model.graph?.initializer ?? [];
    if (location === 'split.bin') writeFileSync(at(location), tensor.rawData);
    const entry = { $typeName: 'onnx.StringStringEntryProto', key: 'location', value: location } as const;
    Object.assign(tensor, {
      rawData: new Uint8Array(),
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: [entry],
    });
    writeFileSync(at('split.onnx'), toBinary(ModelProtoSchema, model));
  }

  it('is trained like any other, and written in one file', async () => {
    split('split.bin');
    const told = await json(`${trainIt} --out joined.onnx`);
    expect(told.startLoss).toBeCloseTo(await crossEntropy('digits.onnx', 100), 4);
    expect(await crossEntropy('joined.onnx', 100)).toBeCloseTo(told.loss, 4);
  });

  it.each([
    ['absent.bin', 'keeps weights in absent.bin beside it'],
    ['../../package.json', 'outside of its folder'],
  ])('is refused where that is %s', async (location, sentence) => {
    split(location);
    const { code, err } = await call(`${trainIt} --out joined.onnx`);
    expect([code, err]).toEqual([2, expect.stringContaining(sentence)]);
  });
});

describe('quasi-newton create', () => {
  it('writes a network that can be trained on raw columns', async () => {
    expect((await run('create plane.onnx --data plane.csv --target y --hidden 8')).code).toBe(0);
    const told = await json('train plane.onnx --data plane.csv --target y --loss mse --out fitted.onnx');
    expect(told.loss).toBeLessThan(1e-3);
    const session = await ort.InferenceSession.create(readFileSync(at('fitted.onnx')));
    const { y } = await session.run({ x: new ort.Tensor('float32', [2, 4], [1, 2]) });
    expect(Number(y.data[0])).toBeCloseTo(98, 0);
  });

  it('writes a linear model with --hidden none', async () => {
    const made = await call('create line.onnx --data plane.csv --target y --hidden none');
    expect(made.out).toContain('line.onnx: 2-1, linear\n');
    const told = JSON.parse(
      (await call('train line.onnx --data plane.csv --target y --out linear.onnx --json')).out,
    );
    expect([told.parameters, told.samples]).toEqual([3, expect.any(Number)]);
    expect(told.loss).toBeLessThan(1e-8);
    const wrong = await call('create bad.onnx --data plane.csv --target y --hidden 0');
    expect(wrong.err).toContain(
      '--hidden: must be whole numbers ≥ 1, separated by commas, or none; got "0".',
    );
  });

  it('takes words as classes', async () => {
    const made = await json('create kinds.onnx --data kinds.csv --target kind');
    expect(made).toMatchObject({ sizes: [1, 16, 16, 2], loss: 'softmaxCrossEntropy' });
    const line = 'train kinds.onnx --data kinds.csv --target kind --loss softmaxCrossEntropy --l2 1e-3';
    const told = await json(`${line} --test kinds.csv --out kinds2.onnx`);
    expect(told.classes).toEqual(['long', 'short']);
    expect(told.test.after.accuracy).toBe(1);
  });

  it('overwrites nothing without being asked', async () => {
    const { code, err } = await call('create digits.onnx --data plane.csv --target y');
    expect(code).toBe(2);
    expect(err).toContain('--force');
  });
});

describe('quasi-newton landscape', () => {
  it('draws and tabulates the loss around the weights in one call', async () => {
    const outs = ['page.html', 'map.svg', 'map.csv'];
    const told = await json(
      `landscape ${onDigits} --npoints 7 ${outs.map((out) => `--out ${out}`).join(' ')}`,
    );
    expect(told.points).toBe(49);
    expect(told.loss).toBeCloseTo(await crossEntropy('digits.onnx', 100), 4);
    for (const out of outs) expect(existsSync(at(out))).toBe(true);
    const center = readFileSync(at('map.csv'), 'utf8')
      .split('\n')
      .find((row) => row.startsWith('0,0,'));
    expect(Number(center?.split(',')[2])).toBeCloseTo(told.loss, 6);
  });

  it('evaluates a part of the points, and says how far the others may be off', async () => {
    const { adaptive, points } = await json(
      `landscape ${onDigits} --npoints 17 --adaptive --out adaptive.svg`,
    );
    expect(adaptive).toMatchObject({ of: points, tolerance: 0.25 });
    expect(adaptive.evaluations).toBeLessThan(points);
    expect(adaptive.estimatedError).toBeGreaterThan(0);
  });

  it('goes along the directions of greatest curvature', async () => {
    const told = await json(`landscape ${onDigits} --npoints 5 --directions eigen --out eigen.svg`);
    expect(told.highest).toBeGreaterThan(told.loss);
  });
});

describe('a mistake in the call is answered with a sentence and exit code 2', () => {
  it.each([
    [
      'a model that is not there',
      'train no.onnx --data digits.csv --target label --out t.onnx',
      'no.onnx: there is no such file',
    ],
    [
      'data that are not there',
      'train digits.onnx --data no.csv --target label --out t.onnx',
      'no.csv: there is no such file',
    ],
    [
      'a wrong column',
      'train digits.onnx --data digits.csv --target lable --out t.onnx',
      'has no "lable"; there are label, p0',
    ],
    [
      'a wrong loss',
      `train digits.onnx --data digits.csv --target label --loss mes --out t.onnx`,
      'must be one of mse, mae',
    ],
    [
      'a loss that does not fit',
      'train digits.onnx --data digits.csv --target label --out t.onnx',
      'Classes in one column',
    ],
    [
      'too few columns',
      `train ${onDigits} --input p0..p9 --out t.onnx`,
      'pixels must have shape [batch, 784]',
    ],
    ['the target as an input', `train ${onDigits} --input label --out t.onnx`, 'must not see it'],
    [
      'no target',
      'train digits.onnx --data digits.csv --loss softmaxCrossEntropy --out t.onnx',
      '--target is missing',
    ],
    ['no model in the file', 'explain digits.csv', 'model: digits.csv: these bytes are not an ONNX model'],
    [
      'no model in the file to train',
      'train digits.csv --data digits.csv --target label --out t.onnx',
      'model: digits.csv: these bytes are not an ONNX model',
    ],
    [
      'no model in the file to predict with',
      'predict digits.csv --data digits.csv --out t.csv',
      'model: digits.csv is not an ONNX model',
    ],
    ['a fixed input without a value', 'explain digits.onnx --fix sr', '--fix: must be INPUT=NUMBERS'],
    ['a size that is no number', 'explain digits.onnx --shape pixels=5,a', '--shape: must be INPUT=NUMBERS'],
    ['data as the model to write', `train ${onDigits} --out digits.csv`, 'must end in .onnx'],
    ['a folder that is not there', `train ${onDigits} --out no/t.onnx`, 'no folder no'],
    [
      'an unknown option',
      'train digits.onnx --data digits.csv --rate 3 --out t.onnx',
      "Unknown option '--rate'",
    ],
    ['a word for a number', `train ${onDigits} --l2 small --out t.onnx`, '--l2: must be a number'],
    ['a wrong number', `train ${onDigits} --max-iterations 2.5 --out t.onnx`, 'maxIterations'],
    [
      'batches for L-BFGS',
      `train ${onDigits} --solver lbfgs --batch-size 10 --out t.onnx`,
      'all samples at once',
    ],
    ['a picture of an unknown kind', `landscape ${onDigits} --out picture.gif`, 'must end in .html'],
    ['an unknown command', 'tran digits.onnx', 'there are create, train, predict, landscape, explain'],
  ])('a mistake in the call is answered with a sentence and exit code 2: %s', async (_, line, sentence) => {
    const { code, err, out } = await call(line);
    expect(err).toContain(sentence);
    expect(err).not.toMatch(/\n {4}at /);
    expect(code).toBe(2);
    expect(out).toBe('');
  });

  it('a table without names, and one with a hole', async () => {
    write('bare.csv', '1,2\n3,4\n');
    const { code, err } = await call('create bare.onnx --data bare.csv --target 2');
    expect([code, err]).toEqual([2, expect.stringContaining('Pass --no-header')]);
    expect((await call('create bare.onnx --data bare.csv --target 2 --no-header --hidden 2')).code).toBe(0);
    write('hole.csv', 'a,y\n1,2\n,4\n');
    const hole = await call('create hole.onnx --data hole.csv --target y');
    expect([hole.code, hole.err]).toEqual([
      2,
      expect.stringContaining('line 3, column "a": the field is empty'),
    ]);
  });
});

describe('quasi-newton --help', () => {
  it.each(['explain', 'train', 'landscape', 'create'])('describes the options of %s', async (command) => {
    const { code, out } = await call(`${command} --help`);
    expect(code).toBe(0);
    expect(out).toContain(`quasi-newton ${command} MODEL.onnx`);
    expect(out).toContain('--json');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});
