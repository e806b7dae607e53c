import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { landscapeAsync, workerPool, type Executor } from 'quasi-newton/landscape';

const problem = { p0: Float64Array.of(1, 2), fg: (x: Float64Array) => x[0] ** 2 + x[1] };

describe('a pool of workers', () => {
  // In plain Node, on the built package.
  const script = fileURLToPath(new URL('pool/run.js', import.meta.url));
  const told = JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' }));

  it('gives the same values to the last bit', () => {
    expect(told).toMatchObject({ same: true, sameMetric: true });
    expect(told.calls).toBeGreaterThan(0);
  });

  it('is found out when its data are others', () => {
    expect(told.otherData).toMatch(/executor: its loss at the center is/);
  });

  it('hands on what goes wrong, and ends when aborted', () => {
    expect(told.throwing).toBe('Error: far out');
    expect(told.aborted).toBe('Error: enough');
    expect(told.noModule).toMatch(/none\.js/);
    expect(told.noMetric).toMatch(/gives no metric "other"/);
  });
});

describe('an executor', () => {
  it('may be any that keeps the protocol', async () => {
    const executor: Executor = {
      parallelism: 1,
      async *run({ center, directions: [dx, dy], x, y }, tiles) {
        for (const cells of tiles.toReversed()) {
          const z = Float64Array.from(cells, (cell) => {
            const [i, j] = [cell % x.length, Math.floor(cell / x.length)];
            return problem.fg(center.map((value, k) => value + y[j] * dy[k] + x[i] * dx[k]));
          });
          yield await Promise.resolve({ cells, z, metrics: new Float64Array(0), loss: problem.fg(center) });
        }
      },
    };
    const options = { npoints: [5, 3] as const };
    expect(await landscapeAsync(problem, { ...options, executor })).toEqual(
      await landscapeAsync(problem, options),
    );
  });

  it('is named where it is none, or cannot do what is asked', async () => {
    await expect(landscapeAsync(problem, { executor: {} as never })).rejects.toThrow(
      /executor: must have a method run/,
    );
    const executor = workerPool('file:///nowhere.js');
    await expect(landscapeAsync(problem, { executor, onPreview: () => {} })).rejects.toThrow(
      /leave one of the two out/,
    );
    expect(() => workerPool(5 as never)).toThrow(/module must be a URL, got 5/);
    expect(() => workerPool('x', { threads: 0 })).toThrow(/threads: must be a whole number ≥ 1, got 0/);
  });
});
