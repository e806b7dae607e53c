import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  isComplete,
  landscapeAsync,
  workerPool,
  type Executor,
  type LandscapeData,
} from 'quasi-newton/landscape';

const problem = { p0: Float64Array.of(1, 2), fg: (x: Float64Array) => x[0] ** 2 + x[1] };

describe('a pool of workers', () => {
  // In plain Node, on the built package.
  const script = fileURLToPath(new URL('pool/run.js', import.meta.url));
  const told = JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' }));

  it('gives the same values to the last bit', () => {
    expect(told).toMatchObject({ same: true, sameMetric: true });
    expect(told.calls).toBeGreaterThan(0);
  });

  it('is refused when its data differ', () => {
    expect(told.otherData).toMatch(/executor: its loss at the center is/);
  });

  it('passes errors on, and ends when aborted', () => {
    expect(told.throwing).toBe('Error: far out');
    expect(told.aborted).toBe('Error: enough');
    expect(told.noModule).toMatch(/none\.js/);
    expect(told.noMetric).toMatch(/returns no metric "other"/);
  });
});

describe('an executor', () => {
  /** Works on the tiles from the last to the first. */
  const backwards: Executor = {
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

  it('may be any that keeps the protocol', async () => {
    const options = { npoints: [5, 3] as const };
    expect(await landscapeAsync(problem, { ...options, executor: backwards })).toEqual(
      await landscapeAsync(problem, options),
    );
  });

  it('is given coarse points first, and each coarser grid is shown when it is complete', async () => {
    const forwards: Executor = {
      parallelism: 2,
      run: (task, tiles, signal) => backwards.run(task, tiles.toReversed(), signal),
    };
    const expected = await landscapeAsync(problem, { npoints: [17, 9] });
    for (const [inner, firstSeen] of [
      [forwards, 1],
      [backwards, 8],
    ] as const) {
      let tilesDone = 0;
      const executor: Executor = {
        parallelism: 1,
        async *run(...given) {
          for await (const tile of inner.run(...given)) {
            tilesDone++;
            yield tile;
          }
        },
      };
      const previews: { data: LandscapeData; after: number }[] = [];
      const data = await landscapeAsync(problem, {
        npoints: [17, 9],
        executor,
        onPreview: (coarse) => previews.push({ data: coarse, after: tilesDone }),
      });
      expect(data).toEqual(expected);
      expect(previews.map(({ data: { x, y } }) => [x.length, y.length])).toEqual([
        [1, 1],
        [3, 1],
        [5, 3],
        [9, 5],
        [17, 9],
      ]);
      expect(previews[0].after).toBe(firstSeen);
      expect(previews.every((preview) => isComplete(preview.data))).toBe(true);
    }
  });

  it('is refused if it is not one', async () => {
    await expect(landscapeAsync(problem, { executor: {} as never })).rejects.toThrow(
      /executor: must be an object with a method run/,
    );
    expect(() => workerPool(5 as never)).toThrow(/module must be a URL, got 5/);
    expect(() => workerPool('./x.js')).toThrow(/"\.\/x\.js" is relative; .*import\.meta\.url/);
    expect(() => workerPool('x', { threads: 0 })).toThrow(/threads: must be a whole number ≥ 1, got 0/);
  });
});
