import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { landscape } from 'quasi-newton/landscape';
import { decodeLandscape } from '../../src/recipes/grid/codec.ts';
import makeProblem from './pool/problem.js';

describe('an evaluation that is killed', () => {
  it('goes on where its checkpoint has it, to the identical grid', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'killed-'));
    const checkpoint = join(folder, 'grid.landscape');
    const doneIn = () =>
      existsSync(checkpoint) ? decodeLandscape(readFileSync(checkpoint)).done : new Uint8Array(1);
    try {
      const script = fileURLToPath(new URL('pool/slow.js', import.meta.url));
      const child = spawn(process.execPath, [script, checkpoint], { stdio: 'inherit' });
      const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
      while (!doneIn().includes(1) && child.exitCode === null) await sleep(50);
      child.kill('SIGKILL');
      expect(await ended).toBe('SIGKILL');
      const before = doneIn().reduce((sum, done) => sum + done, 0);
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(51 * 51);

      const problem = makeProblem({ frequency: 2 });
      let evaluations = 0;
      const { fg } = problem;
      const counted = { ...problem, fg: (x: Float64Array) => (evaluations++, fg(x, null)) };
      const resumed = landscape(counted, { npoints: 51, checkpoint });
      expect(evaluations).toBe(51 * 51 - before + 1);
      expect(resumed).toEqual(landscape(problem, { npoints: 51 }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
