import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { graph, trainable } from 'quasi-newton/onnx';

/** Inputs, units of two hidden layers, and outputs. */
const sizes = [1024, 1400, 1400, 400];
const samples = 32;

/** Peak of the memory that this process has held, in MB; only Linux tells. */
function peak() {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

/**
 * A row on the memory that training of 4M parameters takes beyond the model's file, measured in a process of its own that
 * reads the file, after a first session of a small model.
 */
export function trainingMemory() {
  const folder = mkdtempSync(join(tmpdir(), 'memory-'));
  const file = join(folder, 'model.onnx');
  writeFileSync(file, dense(sizes));
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), file]);
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(`The measurement of memory failed: ${String(stderr)}`);
  const { parameters, first, beyond } = JSON.parse(String(stdout));
  const weights = (4 * parameters) / 2 ** 20;
  return [
    sizes.join('-'),
    String(parameters),
    weights.toFixed(1),
    first.toFixed(0),
    beyond.toFixed(0),
    `${(beyond / weights).toFixed(1)} ×`,
    `${(beyond / weights - 4).toFixed(1)} ×`,
  ];
}

/** A network of dense layers and tanh, as the bytes of an .onnx file. @param {number[]} sizes */
function dense([inputs, ...units]) {
  const g = graph({ seed: 1 });
  const outputs = units.pop() ?? 1;
  const hidden = units.reduce((x, count) => g.tanh(g.dense(x, count)), g.input('x', ['N', inputs]));
  g.output('y', g.dense(hidden, outputs));
  return g.toBytes();
}

/** Evaluates loss and gradient a few times; returns the number of parameters. @param {Uint8Array} bytes @param {number[]} sizes */
async function evaluate(bytes, sizes) {
  const ort = await import('onnxruntime-node');
  const [inputs, outputs] = [sizes[0], sizes[sizes.length - 1]];
  const model = await trainable(ort, bytes, { loss: 'mse', sessionOptions: { intraOpNumThreads: 1 } });
  const { p0, fg } = model.problem({
    x: { data: new Float32Array(samples * inputs).map((_, i) => Math.sin(i)), dims: [samples, inputs] },
    target: {
      data: new Float32Array(samples * outputs).map((_, i) => Math.cos(i)),
      dims: [samples, outputs],
    },
  });
  const gradient = new Float64Array(p0.length);
  for (let i = 0; i < 30; i++) await fg(p0, gradient);
  await model.dispose();
  return p0.length;
}

/** @param {string} file */
async function measure(file) {
  const start = process.memoryUsage.rss() / 2 ** 20;
  await evaluate(dense([8, 8, 2]), [8, 8, 2]);
  const bytes = readFileSync(file);
  const before = process.memoryUsage.rss() / 2 ** 20;
  const parameters = await evaluate(bytes, sizes);
  const first = before - start - bytes.length / 2 ** 20;
  console.log(JSON.stringify({ parameters, first, beyond: peak() - before }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await measure(process.argv[2]);
