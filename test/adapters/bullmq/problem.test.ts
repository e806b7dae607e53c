import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { adam, lbfgs, levenbergMarquardt, minimizeAsync, newtonCG } from 'quasi-newton';
import { bullmqProblem, serveProblem } from 'quasi-newton/bullmq';
import { uniform } from '../../../bench/problems/random.js';
import makeNetwork from './network.js';
import { hasRedis, lastingKeys, sameBits, startRedis, startWorkerProcess } from './setup.ts';
import type { AsyncProblem, Problem, SolveResult } from 'quasi-newton';
import type { BullmqProblemOptions, Maker, ServeOptions, ShardProblem } from 'quasi-newton/bullmq';
import type { TestRedis, WorkerJob, WorkerProcess } from './setup.ts';

/** f and ∇f as the weighted sum over the shards in their order, written down once more. */
function sumOf(shards: readonly (Problem & { weight: number })[]): Problem {
  return {
    p0: shards[0].p0,
    fg(x, gradient) {
      let f = 0;
      const total = new Float64Array(x.length);
      for (const { fg, weight } of shards) {
        const term = new Float64Array(x.length);
        f += weight * fg(x, term);
        term.forEach((value, i) => (total[i] += weight * value));
      }
      gradient?.set(total);
      return f;
    },
  };
}

const shardsOfNetwork = (shards: number) =>
  Array.from({ length: shards }, (_, shard) => makeNetwork({}, { shard, shards }));

/** The points and values of a run. */
async function pathOf(problem: AsyncProblem | Problem, maxIterations = 25) {
  const path: { readonly x: Float64Array; readonly f: number }[] = [];
  await minimizeAsync(problem, lbfgs(), {
    maxIterations,
    callback: ({ x, f }) => void path.push({ x: x.slice(), f }),
  });
  return path;
}

describe.skipIf(!hasRedis)('a problem in shards', () => {
  let redis: TestRedis;
  let queues = 0;
  const closing: (() => Promise<unknown>)[] = [];
  const startWorkers = async (count: number, job: Omit<WorkerJob, 'serves'>): Promise<WorkerProcess[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const worker = await startWorkerProcess({ serves: 'problem', ...job });
        closing.push(() => worker.kill());
        return worker;
      }),
    );
  /** Serves in this process, and opens the problem. */
  const open = async (
    make: Maker<ShardProblem, unknown>,
    options: Partial<BullmqProblemOptions> = {},
    serving: Partial<ServeOptions> = {},
  ) => {
    const where = { connection: redis.connection, queue: `queue ${queues++}` };
    const worker = await serveProblem(make, { ...where, ...serving });
    closing.push(() => worker.close());
    const problem = await bullmqProblem({ ...where, shards: 3, ...options });
    closing.unshift(() => problem.close());
    return { problem, worker, where };
  };
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());

  it('takes L-BFGS on 4 shards in 3 processes along the path of one process', async () => {
    const connection = redis.connection;
    const workers = await startWorkers(3, { module: './network.js', connection, queue: 'sine' });
    const problem = await bullmqProblem({ connection, queue: 'sine', shards: 4 });
    const path = await pathOf(problem);
    await problem.close();
    expect(await Promise.all(workers.map((worker) => worker.close()))).toEqual([0, 0, 0]);
    expect(await lastingKeys(redis.client)).toEqual([]);
    // Bit for bit the path of the same sum in one process, and to rounding that of all samples at once.
    const bySum = await pathOf(sumOf(shardsOfNetwork(4)));
    expect(path.length).toBe(bySum.length);
    path.forEach(({ x, f }, k) => {
      expect(f).toBe(bySum[k].f);
      expect(sameBits(x, bySum[k].x)).toBe(true);
    });
    const whole = await pathOf(makeNetwork(), 5);
    whole.forEach(({ x, f }, k) => {
      expect(Math.abs(f - path[k].f)).toBeLessThanOrEqual(1e-12);
      x.forEach((value, i) => expect(Math.abs(value - path[k].x[i])).toBeLessThanOrEqual(1e-12));
    });
  });

  it('loses nothing but time when a worker is killed in the middle of an evaluation', async () => {
    const { connection } = redis;
    const [victim, ...others] = await startWorkers(3, {
      module: './network.js',
      connection,
      queue: 'killed',
      data: { tell: true, milliseconds: 20 },
      stallTime: 1,
    });
    const problem = await bullmqProblem({ connection, queue: 'killed', shards: 4 });
    const running = pathOf(problem, 12);
    await victim.hasBegun(10);
    await victim.kill();
    const path = await running;
    await problem.close();
    const expected = await pathOf(sumOf(shardsOfNetwork(4)), 12);
    expect(path).toEqual(expected);
    for (const worker of others) await worker.close();
    expect(await lastingKeys(redis.client)).toEqual([]);
  });

  it('drops the late answer of a worker taken for dead', async () => {
    const { connection } = redis;
    const [sleeper] = await startWorkers(1, {
      module: './network.js',
      connection,
      queue: 'late',
      data: { tell: true, milliseconds: 500 },
      stallTime: 1,
    });
    const problem = await bullmqProblem({ connection, queue: 'late', shards: 1 });
    closing.unshift(() => problem.close());
    const gradient = new Float64Array(problem.p0.length);
    const begun = sleeper.begun;
    const running = problem.fg(problem.p0, gradient);
    await sleeper.hasBegun(begun + 1);
    sleeper.child.kill('SIGSTOP');
    await startWorkers(1, { module: './network.js', connection, queue: 'late', data: {}, stallTime: 1 });
    const local = new Float64Array(gradient.length);
    expect(await running).toBe(makeNetwork().fg(problem.p0, local));
    expect(sameBits(gradient, local)).toBe(true);
    // The late answer finds neither a key to write to nor anybody who waits.
    sleeper.child.kill('SIGCONT');
    expect(await sleeper.close()).toBe(0);
    await problem.close();
    expect((await redis.client.keys('quasi-newton:*')).length).toBe(0);
  });

  it('continues after Redis has lost all data', async () => {
    const own = await startRedis();
    closing.push(() => own.stop());
    const { connection } = own;
    const [worker] = await startWorkers(1, {
      module: './network.js',
      connection,
      queue: 'forgotten',
      data: { tell: true, milliseconds: 20 },
    });
    const problem = await bullmqProblem({ connection, queue: 'forgotten', shards: 2 });
    const running = pathOf(problem, 8);
    await worker.hasBegun(8);
    await own.kill();
    await own.start();
    expect(await running).toEqual(await pathOf(sumOf(shardsOfNetwork(2)), 8));
    await problem.close();
  });

  it('has mini-batches, the same on all workers and after each change of workers', async () => {
    /** The mean of (x − tᵢ)² over a batch of five of twenty targets, drawn with a seed. */
    const make = (_data: unknown, { shard, shards }: { shard: number; shards: number }) => {
      const targets = Array.from({ length: 20 }, (_, i) => Math.sin(i * shards + shard));
      const next = uniform(shard + 1);
      let batch = targets.slice(0, 5);
      let before = batch;
      const mean = (samples: readonly number[], x: Float64Array, gradient: Float64Array | null) => {
        if (gradient)
          gradient[0] = samples.reduce((sum, t) => sum + 2 * (x[0] - t), 0) / Math.max(1, samples.length);
        return samples.reduce((sum, t) => sum + (x[0] - t) ** 2, 0) / Math.max(1, samples.length);
      };
      return {
        p0: Float64Array.of(3),
        weight: 1 / shards,
        fg: (x: Float64Array, gradient: Float64Array | null) => mean(batch, x, gradient),
        nextBatch() {
          before = batch;
          batch = targets.filter(() => next() < 0.5);
        },
        overlap: (x: Float64Array, gradient: Float64Array | null) =>
          mean(
            batch.filter((t) => before.includes(t)),
            x,
            gradient,
          ),
      };
    };
    const { problem, worker, where } = await open(make);
    const locals = [0, 1, 2].map((shard) => make(undefined, { shard, shards: 3 }));
    const local = sumOf(locals);
    const x = Float64Array.of(0.3);
    const [ours, theirs] = [new Float64Array(1), new Float64Array(1)];
    for (let batch = 0; batch < 6; batch++) {
      if (batch === 3) {
        await worker.close();
        const next = await serveProblem(make, where);
        closing.push(() => next.close());
      }
      expect(await problem.fg(x, theirs)).toBe(local.fg(x, ours));
      expect(theirs).toEqual(ours);
      const overlap = locals.reduce((sum, shard) => sum + shard.weight * shard.overlap(x, null), 0);
      expect(await problem.overlap?.(x, null)).toBe(overlap);
      await problem.nextBatch?.();
      for (const shard of locals) shard.nextBatch();
    }
    expect((await minimizeAsync(problem, adam({ learningRate: 0.1 }), { maxIterations: 5 })).iterations).toBe(
      5,
    );
  });

  it('refuses batches that differ from worker to worker', async () => {
    let seed = 1;
    const make = () => {
      const next = uniform(seed++);
      let target = 0;
      return {
        p0: Float64Array.of(3),
        fg: (x: Float64Array) => (x[0] - target) ** 2,
        nextBatch() {
          target = next();
        },
      };
    };
    const { problem, worker, where } = await open(make, { shards: 1 });
    await problem.nextBatch?.();
    await problem.fg(problem.p0, null);
    await worker.close();
    const other = await serveProblem(make, where);
    closing.push(() => other.close());
    await expect(problem.fg(problem.p0, null)).rejects.toThrow(
      /for shard 0, f beside the start on the second batch is [\d.]+ on .* batches must be the same on all workers/,
    );
  });

  it('has residuals and Hessian products', async () => {
    const make = (_data: unknown, { shard }: { shard: number }) => ({
      p0: Float64Array.of(1, -1),
      weight: [1, 0.25, 2][shard],
      residualCount: shard + 1,
      fg([a, b]: Float64Array, gradient: Float64Array | null) {
        let f = 0;
        gradient?.fill(0);
        for (let i = 0; i <= shard; i++) {
          const r = a * Math.exp(b * (i + shard)) - 2;
          f += r * r;
          if (gradient) {
            gradient[0] += 2 * r * Math.exp(b * (i + shard));
            gradient[1] += 2 * r * a * (i + shard) * Math.exp(b * (i + shard));
          }
        }
        return f;
      },
      residuals([a, b]: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) {
        for (let i = 0; i <= shard; i++) {
          const e = Math.exp(b * (i + shard));
          residuals[i] = a * e - 2;
          jacobian?.set([e, a * (i + shard) * e], 2 * i);
        }
      },
      hessianVector([a, b]: Float64Array, [va, vb]: Float64Array, product: Float64Array) {
        product.fill(0);
        for (let i = 0; i <= shard; i++) {
          const t = i + shard;
          const e = Math.exp(b * t);
          const r = a * e - 2;
          const along = e * va + a * t * e * vb;
          product[0] += 2 * (along * e + r * t * e * vb);
          product[1] += 2 * (along * a * t * e + r * (t * e * va + a * t * t * e * vb));
        }
      },
    });
    const { problem } = await open(make);
    const x = Float64Array.of(0.7, -0.4);
    expect(problem.residualCount).toBe(6);
    const [r, J] = [new Float64Array(6), new Float64Array(12)];
    await problem.residuals?.(x, r, J);
    const expected: number[] = [];
    const rows: number[] = [];
    for (const shard of [0, 1, 2]) {
      const local = make(undefined, { shard });
      const { residualCount, weight } = local;
      const [own, ownJ] = [new Float64Array(residualCount), new Float64Array(2 * residualCount)];
      local.residuals(x, own, ownJ);
      for (const value of own) expected.push(Math.sqrt(weight) * value);
      for (const value of ownJ) rows.push(Math.sqrt(weight) * value);
    }
    expect([...r]).toEqual(expected);
    expect([...J]).toEqual(rows);
    // f = Σ wₛ fₛ is the sum of their squares.
    const f = await problem.fg(x, null);
    expect(f).toBeCloseTo(
      r.reduce((sum, value) => sum + value * value, 0),
      12,
    );
    const product = new Float64Array(2);
    const v = Float64Array.of(1, 3);
    await problem.hessianVector?.(x, v, product);
    const sum = [0, 0];
    for (const shard of [0, 1, 2]) {
      const local = make(undefined, { shard });
      const term = new Float64Array(2);
      local.hessianVector(x, v, term);
      sum[0] += local.weight * term[0];
      sum[1] += local.weight * term[1];
    }
    expect([...product]).toEqual(sum);
    const fit: SolveResult = await minimizeAsync(problem, levenbergMarquardt());
    expect(fit.converged).toBe(true);
    expect(
      (await minimizeAsync(problem, newtonCG(), { maxIterations: 3 })).evaluations.hessianVector,
    ).toBeGreaterThan(0);
  });

  it('refuses other data also where the start does not tell them apart', async () => {
    /** Logistic regression: at 0 its loss is ln 2, whatever the labels are. */
    const logistic = (label: number) => ({
      p0: Float64Array.of(0),
      fg: ([w]: Float64Array) => Math.log(1 + Math.exp(-label * w)),
    });
    const { problem, worker, where } = await open(() => logistic(1), { shards: 1 });
    expect(await problem.fg(problem.p0, null)).toBe(Math.LN2);
    await worker.close();
    const other = await serveProblem(() => logistic(-1), where);
    closing.push(() => other.close());
    await expect(problem.fg(problem.p0, null)).rejects.toThrow(
      /for shard 0, f beside the start is .* their data/,
    );
  });

  it('refuses a worker whose problem lacks a method, and values that are no numbers', async () => {
    const bowl = {
      p0: Float64Array.of(1),
      fg: (x: Float64Array) => x[0] ** 2,
      hessianVector: (_x: Float64Array, v: Float64Array, product: Float64Array) => product.set([2 * v[0]]),
    };
    const { problem, worker, where } = await open(() => bowl, { shards: 1 });
    await worker.close();
    const other = await serveProblem(() => ({ p0: bowl.p0, fg: bowl.fg }), where);
    closing.push(() => other.close());
    await expect(problem.hessianVector?.(problem.p0, problem.p0, new Float64Array(1))).rejects.toThrow(
      /its problem has no method hessianVector, but that of another worker has/,
    );
    await expect(open(() => ({ p0: Float64Array.of(1), fg: () => [0] as never }))).rejects.toThrow(
      /fg must return a number, got Array\(1\)/,
    );
  });

  it('is not disturbed by a shard that writes into its point', async () => {
    const { problem } = await open(() => ({
      p0: Float64Array.of(1, 0.1),
      fg(x: Float64Array) {
        const [f] = x;
        x.fill(99);
        return f;
      },
    }));
    expect(await problem.fg(Float64Array.of(0.3, 0.1), null)).toBe(0.3 + 0.3 + 0.3);
  });

  it('gives a float32 problem points in float32', async () => {
    const seen: number[] = [];
    const { problem } = await open(
      () => ({
        p0: Float64Array.of(0.1, 2),
        precision: 'float32' as const,
        fg(x: Float64Array, gradient: Float64Array | null) {
          seen.push(x[0]);
          gradient?.set([Math.fround(0.3), 0.1]);
          return x[0];
        },
      }),
      { shards: 1 },
    );
    expect(problem.precision).toBe('float32');
    const gradient = new Float64Array(2);
    expect(await problem.fg(Float64Array.of(0.2, 1), gradient)).toBe(Math.fround(0.2));
    expect([...gradient]).toEqual([Math.fround(0.3), 0.1]);
  });

  it('refuses a worker that has other data or another model', async () => {
    const { connection } = redis;
    const first = await serveProblem(makeNetwork, { connection, queue: 'data' });
    const problem = await bullmqProblem({ connection, queue: 'data', shards: 2 });
    closing.push(() => problem.close());
    await problem.fg(problem.p0, null);
    await first.close();
    const second = await serveProblem(makeNetwork, { connection, queue: 'data', data: { frequency: 3 } });
    closing.push(() => second.close());
    await expect(problem.fg(problem.p0, null)).rejects.toThrow(
      /^bullmqProblem: for shard 0, f at the start is [\d.]+ on \S+ and [\d.]+ on \S+; their data or their models differ\.$/,
    );
    await expect(
      bullmqProblem({ connection, queue: 'data', shards: 2, p0: new Float64Array(5) }),
    ).rejects.toThrow(/its problem has 97 parameters, but 5 are requested; their models differ/);
    expect(await lastingKeys(redis.client)).not.toContain(expect.stringMatching(/^quasi-newton/));
  });

  it('names the fault in the module a worker serves', async () => {
    await expect(open(() => ({ p0: [1] }) as never)).rejects.toThrow(
      /serveProblem: shard 0 must be a problem \{ p0, fg \}, got an object with p0/,
    );
    await expect(
      open((_data, { shard }) => ({
        p0: Float64Array.of(1),
        fg: () => 0,
        precision: shard === 1 ? 'float32' : 'float64',
      })),
    ).rejects.toThrow(/shard 1 computes in float32, shard 0 in float64; they must agree/);
    await expect(open(() => ({ p0: Float64Array.of(1), fg: () => 0, weight: NaN }))).rejects.toThrow(
      /shard 0 has the weight NaN; it must be a finite number ≥ 0/,
    );
    const { connection } = redis;
    const whole = await serveProblem(makeNetwork(), { connection, queue: 'whole' });
    closing.push(() => whole.close());
    await expect(bullmqProblem({ connection, queue: 'whole', shards: 2 })).rejects.toThrow(
      /a client asks for one of 2 shards, but this worker serves one problem/,
    );
    const one = await bullmqProblem({ connection, queue: 'whole', shards: 1 });
    closing.unshift(() => one.close());
    expect(await one.fg(one.p0, null)).toBe(makeNetwork().fg(one.p0, null));
  });
});
