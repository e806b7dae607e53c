import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonWith } from './python.js';

/**
 * Starts torch on one thread, to time the networks of `torchTimes.py`; null if no Python has torch.
 *
 * @returns {Promise<null | {
 *   version: string,
 *   times: (network: string, rounds: number) => Promise<{ loss: number[], both: number[] }>,
 *   close: () => void,
 * }>}
 */
export async function openTorch() {
  const command = pythonWith('torch');
  if (command === undefined) return null;
  const child = spawn(command, [fileURLToPath(new URL('torchTimes.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('torchTimes.py ended before it answered');
    return JSON.parse(value);
  };
  return {
    version: await next(),
    times: (network, rounds) => {
      child.stdin.write(`${JSON.stringify([network, rounds])}\n`);
      return next();
    },
    close: () => child.stdin.end(),
  };
}
