import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { graph, trainable } from 'quasi-newton/onnx';

/** Peak of the memory that this process has held, in MB; only Linux tells. */
function peak() {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

/** A row on the memory that training of 4M parameters takes beyond the model's file, measured in a process of its own. */
export function trainingMemory() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url)]);
  if (status !== 0) throw new Error(`The measurement of memory failed: ${String(stderr)}`);
  const { parameters, beyond } = JSON.parse(String(stdout));
  const weights = (4 * parameters) / 2 ** 20;
  return [
    '1024-1400-1400-400',
    String(parameters),
    weights.toFixed(1),
    beyond.toFixed(0),
    `${(beyond / weights).toFixed(1)} ×`,
  ];
}

async function measure() {
  const ort = await import('onnxruntime-node');
  const g = graph({ seed: 1 });
  const hidden = g.tanh(g.dense(g.tanh(g.dense(g.input('x', ['N', 1024]), 1400)), 1400));
  g.output('y', g.dense(hidden, 400));
  const bytes = g.toBytes();
  const before = process.memoryUsage.rss() / 2 ** 20;
  const model = await trainable(ort, bytes, { loss: 'mse', sessionOptions: { intraOpNumThreads: 1 } });
  const samples = 32;
  const { p0, fg } = model.problem({
    x: { data: new Float32Array(samples * 1024).map((_, i) => Math.sin(i)), dims: [samples, 1024] },
    target: { data: new Float32Array(samples * 400).map((_, i) => Math.cos(i)), dims: [samples, 400] },
  });
  const gradient = new Float64Array(p0.length);
  for (let i = 0; i < 5; i++) await fg(p0, gradient);
  console.log(JSON.stringify({ parameters: p0.length, beyond: peak() - before }));
  await model.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await measure();
