import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerIn } from './callIn.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'validation-'));
const at = (name: string) => join(folder, name);
const { call, json, refusal } = callerIn(folder);

/** A line with noise, which a network with many units learns by heart. */
const rows = Array.from({ length: 40 }, (_, i) => {
  const x = -1 + i / 20;
  return [x, 0.5 * x + 0.4 * Math.sin(1000 * (i + 1) ** 2)] as const;
});
const few = rows.filter((_, i) => i % 3 !== 0);
const held = rows.filter((_, i) => i % 3 === 0);
const table = (samples: typeof rows) =>
  ['x,y', ...samples.map((row) => row.map((value) => value.toFixed(6)).join(','))].join('\n');

/** Mean squared error of a model in bare ONNX Runtime. */
async function errorOf(file: string, samples: typeof rows): Promise<number> {
  const session = await ort.InferenceSession.create(readFileSync(at(file)));
  const x = Float32Array.from(samples, ([value]) => Number(value.toFixed(6)));
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [samples.length, 1]) });
  await session.release();
  const squares = samples.map(([, value], i) => (Number(y.data[i]) - Number(value.toFixed(6))) ** 2);
  return squares.reduce((a, b) => a + b) / samples.length;
}

beforeAll(async () => {
  writeFileSync(at('all.csv'), table(rows));
  writeFileSync(at('few.csv'), table(few));
  writeFileSync(at('held.csv'), table(held));
  await call('create net.onnx --data few.csv --target y --hidden 20,20 --no-normalize');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = 'train net.onnx --data few.csv --solver lbfgs';

describe('train --validation', () => {
  it('stops where the loss of a file no longer falls, and writes the model with the lowest', async () => {
    const told = await json(`${line} --validation held.csv --patience 15 --curve curve.svg --out best.onnx`);
    const { validation, iterations, termination } = told;
    expect(termination).toBe('validation');
    expect(validation).toMatchObject({ of: 'held.csv', samples: held.length });
    expect(iterations).toBe(validation.iteration + 15);
    expect(validation.evaluations).toBe(iterations + 1);
    expect(validation.loss).toBeLessThan(validation.startLoss);
    expect(validation.loss).toBeLessThan(validation.endLoss);
    expect(await errorOf('best.onnx', held)).toBeCloseTo(validation.loss, 6);
    expect(await errorOf('best.onnx', few)).toBeCloseTo(told.loss, 6);
    expect(readFileSync(at('curve.svg'), 'utf8')).toMatch(/training.*validation/s);
    await call(`${line} --max-iterations ${iterations} --out last.onnx`);
    expect(await errorOf('last.onnx', held)).toBeCloseTo(validation.endLoss, 6);
  });

  it('says so in its report', async () => {
    const { code, out } = await call(`${line} --validation held.csv --patience 15 --out best.onnx`);
    expect(code).toBe(0);
    expect(out).toMatch(
      /The validation loss has not fallen below .* for 15 evaluations\. The best point is returned\./,
    );
    expect(out).toMatch(
      /validation {2}loss \S+ → \S+ on 14 samples, lowest after iteration \d+ of \d+: that model is written/,
    );
    expect(out).toMatch(/ at the end it was \S+/);
  });

  it('holds out a fraction of the samples, by --seed', async () => {
    const one = 'train net.onnx --data all.csv --solver lbfgs --validation 0.25 --max-iterations 4';
    const told = await json(`${one} --out a.onnx`);
    expect(told).toMatchObject({ samples: 30, validation: { of: '0.25', samples: 10 } });
    await json(`${one} --out b.onnx`);
    const other = await json(`${one} --seed 1 --out c.onnx`);
    expect(readFileSync(at('b.onnx')).equals(readFileSync(at('a.onnx')))).toBe(true);
    expect(other.validation.loss).not.toBe(told.validation.loss);
    // The two parts are all samples, each once: their means make up the mean of all.
    const whole = await errorOf('a.onnx', rows);
    expect((30 * told.loss + 10 * told.validation.loss) / 40).toBeCloseTo(whole, 5);
  });

  it('train --validation looks after each pass over the data with mini-batches', async () => {
    const { validation, iterations } = await json(
      'train net.onnx --data few.csv --solver adam --batch-size 10 --validation held.csv --max-iterations 12 --out b.onnx',
    );
    // 26 samples are three batches: looks at 0, 3, 6, 9 and 12.
    expect([iterations, validation.evaluations]).toEqual([12, 5]);
    expect(await errorOf('b.onnx', held)).toBeCloseTo(validation.loss, 6);
  });

  it('resumed, equals the uninterrupted run bit for bit, and refuses other samples to watch', async () => {
    const watched = `${line} --validation held.csv --patience 15`;
    await json(`${watched} --out whole.onnx`);
    await json(`${watched} --max-iterations 6 --save-state part.json --out part.onnx`);
    await json(`${watched} --resume part.json --out rest.onnx`);
    expect(readFileSync(at('rest.onnx')).equals(readFileSync(at('whole.onnx')))).toBe(true);
    expect(await refusal(`${line} --resume part.json --out rest.onnx`)).toContain(
      'part.json was saved with --validation held.csv, here it is left out',
    );
    writeFileSync(at('held.csv'), table(held.map(([x, y]) => [x, y + 1])));
    expect(await refusal(`${watched} --resume part.json --out rest.onnx`)).toContain(
      'other data of the same size',
    );
    writeFileSync(at('held.csv'), table(held));
  });

  it('resumed after the lowest loss, does not give it an iteration of this run', async () => {
    const watched = `${line} --validation held.csv --patience 15`;
    const { validation } = await json(`${watched} --out whole.onnx`);
    const first = validation.iteration + 2;
    await json(`${watched} --max-iterations ${first} --save-state part.json --out part.onnx`);
    const rest = `${watched} --max-iterations 1 --resume part.json --out rest.onnx`;
    expect((await json(rest)).validation).toMatchObject({ iteration: null, loss: validation.loss });
    const { out } = await call(rest);
    expect(out).toMatch(/on 14 samples, lowest before this run was resumed: that model is written/);
  });

  it('stopped by Ctrl-C, writes the model with the lowest loss so far', async () => {
    const args = `${line} --validation held.csv --patience 1000000 --max-iterations 10000000 --gtol 0 --solver adam --json --out stopped.onnx`;
    const child = spawn('node', [join(root, 'bin/quasi-newton.js'), ...args.split(' ')], { cwd: folder });
    let out = '';
    child.stdout.on('data', (text) => (out += text));
    child.stderr.once('data', () => setTimeout(() => child.kill('SIGINT'), 1500));
    const [code] = await once(child, 'close');
    expect(code).toBe(130);
    expect(await errorOf('stopped.onnx', held)).toBeCloseTo(JSON.parse(out).validation.loss, 5);
  });

  it.each([
    ['--patience 3', '--patience needs --validation FILE or --validation 0.2.'],
    ['--validation 0.2 --patience 1.5', '--patience: must be a whole number ≥ 1, got 1.5.'],
    ['--validation 1', '--validation: a fraction must be between 0 and 1, got 1.'],
    ['--validation 0.001', '--validation: 0.001 of 26 samples would leave 0 to watch and 26 to train on'],
    ['--validation no.csv', '--validation: no.csv: there is no such file.'],
  ])('refuses %s', async (options, sentence) => {
    expect(await refusal(`${line} ${options} --out none.onnx`)).toContain(sentence);
    expect(existsSync(at('none.onnx'))).toBe(false);
  });
});
