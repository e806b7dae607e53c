/** The calls of an accelerated model beside those of the model: callbacks, datasets, evaluation, endings, refusals. */
import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { adam, lbfgs, sequence } from 'quasi-newton';
import {
  accelerate,
  BFGSOptimizer,
  LBFGSOptimizer,
  SolverOptimizer,
  type AcceleratedModel,
  type BatchDataset,
} from 'quasi-newton/tfjs';
import {
  apart,
  batchNormModel,
  both,
  denseModel,
  lossesOf,
  modelOf,
  normal,
  oneHot,
  twoInputModel,
  type Trained,
} from './accelerate.harness.ts';
import { expectNoLeak, glorot, useBackend, weightsOf } from './harness.ts';

const { layers: L } = tf;

beforeAll(() => useBackend('cpu'));

const data = () => ({ x: normal([50, 8], 7), y: oneHot(50, 3, 8) });

function compiled(
  optimizer: tf.Optimizer = tf.train.sgd(0.1),
  metrics: string[] = ['accuracy'],
): tf.Sequential {
  const model = denseModel();
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics });
  return model;
}

/** Runs `body` on an accelerated model, and lets go of both. */
async function accelerated<Result>(
  model: tf.LayersModel,
  body: (fast: AcceleratedModel) => Promise<Result>,
  runtime: typeof ort = ort,
): Promise<Result> {
  const fast = accelerate(runtime, model);
  try {
    return await body(fast);
  } finally {
    await fast.dispose();
    model.optimizer.dispose();
    model.dispose();
  }
}

/** A callback that writes down all that it is told. */
function recorder(): { told: unknown[]; callbacks: tf.CustomCallbackArgs } {
  const told: unknown[] = [];
  const note =
    (name: string) =>
    (...values: unknown[]) => {
      // Copies: TensorFlow.js uses its records again.
      told.push([name, ...values.map((value) => structuredClone(value))]);
    };
  return {
    told,
    callbacks: {
      onTrainBegin: note('trainBegin'),
      onTrainEnd: note('trainEnd'),
      onEpochBegin: note('epochBegin'),
      onEpochEnd: note('epochEnd'),
      onBatchBegin: note('batchBegin'),
      onBatchEnd: note('batchEnd'),
    },
  };
}

/** Nested lists and objects with numbers rounded, so that they can be compared. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1e4) / 1e4;
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rounded(each)]));
  }
  return value;
}

/** A dataset of the rows of tensors in batches; each iteration makes new tensors. */
const dataset = (x: tf.Tensor, y: tf.Tensor, batchSize: number): BatchDataset & { size: number } => ({
  size: Math.ceil(x.shape[0] / batchSize),
  async iterator() {
    let at = 0;
    return {
      async next() {
        if (at >= x.shape[0]) return { value: null, done: true as const };
        const size = Math.min(batchSize, x.shape[0] - at);
        const value = { xs: x.slice(at, size), ys: y.slice(at, size) };
        at += size;
        return { value, done: false };
      },
    };
  },
});

describe('callbacks are told what TensorFlow.js tells them', () => {
  const toldIn = async (train: (trained: Trained, callbacks: tf.CustomCallbackArgs) => Promise<unknown>) => {
    const { stock, fast } = await both(compiled, async (trained) => {
      const { told, callbacks } = recorder();
      await train(trained, callbacks);
      return rounded(told) as unknown[];
    });
    return { stock: stock.result, fast: fast.result, left: fast.left };
  };

  it('callbacks are told what TensorFlow.js tells them in a fit with validation from a later epoch on', async () => {
    const { x, y } = data();
    const { stock, fast, left } = await toldIn((trained, callbacks) =>
      trained.fit(x, y, { epochs: 4, initialEpoch: 2, validationData: [x, y], callbacks, verbose: 0 }),
    );
    expect(fast.length).toBeGreaterThan(5);
    expect([fast, left]).toEqual([stock, 0]);
    tf.dispose([x, y]);
  });

  it('callbacks are told what TensorFlow.js tells them in a fit on a dataset with validation on another', async () => {
    const { x, y } = data();
    const { stock, fast, left } = await toldIn((trained, callbacks) =>
      trained.fitDataset(dataset(x, y, 16), {
        epochs: 2,
        validationData: dataset(x, y, 20),
        callbacks,
        verbose: 0,
      }),
    );
    expect(fast.length).toBeGreaterThan(5);
    expect([fast, left]).toEqual([stock, 0]);
    tf.dispose([x, y]);
  });

  it('callbacks are told what TensorFlow.js tells them in a fit on some batches of a dataset with validation on tensors and weights of classes', async () => {
    const { x, y } = data();
    const { stock, fast, left } = await toldIn((trained, callbacks) =>
      trained.fitDataset(dataset(x, y, 10), {
        epochs: 2,
        batchesPerEpoch: 2,
        validationData: [x, y],
        validationBatchSize: 7,
        classWeight: { 0: 1, 1: 2, 2: 3 },
        callbacks,
        verbose: 0,
      }),
    );
    expect(fast.length).toBeGreaterThan(5);
    expect([fast, left]).toEqual([stock, 0]);
    tf.dispose([x, y]);
  });

  it('until one of them sets stopTraining after a batch', async () => {
    const { x, y } = data();
    const { stock, fast, left } = await toldIn((trained, callbacks) =>
      trained.fit(x, y, {
        epochs: 3,
        batchSize: 10,
        verbose: 0,
        validationSplit: 0.2,
        callbacks: {
          ...callbacks,
          async onBatchEnd(batch: number, logs?: tf.Logs) {
            await callbacks.onBatchEnd!(batch, logs);
            if (batch === 2) modelOf(trained).stopTraining = true;
          },
        },
      }),
    );
    expect(fast.length).toBeGreaterThan(5);
    expect([fast, left]).toEqual([stock, 0]);
    tf.dispose([x, y]);
  });

  it('until early stopping ends the fit', async () => {
    const { x, y } = data();
    const { stock, fast } = await both(
      () => compiled(tf.train.sgd(3)),
      async (trained) => {
        const callbacks = tf.callbacks.earlyStopping({ monitor: 'val_loss', patience: 1 });
        const { history, epoch } = await trained.fit(x, y, {
          epochs: 30,
          validationSplit: 0.3,
          callbacks,
          verbose: 0,
        });
        return { history, epoch };
      },
    );
    expect(fast.result.epoch.length).toBeLessThan(30);
    expect(fast.result.epoch).toEqual(stock.result.epoch);
    expect(apart(fast.result.history.val_loss, stock.result.history.val_loss)).toBeLessThan(1e-4);
    tf.dispose([x, y]);
  });

  it('callbacks see the present weights, also after a batch, and training goes on from those that they set', async () => {
    const { x, y } = data();
    const { stock, fast } = await both(compiled, async (trained) => {
      const model = modelOf(trained);
      const seen: number[][][] = [];
      await trained.fit(x, y, {
        epochs: 2,
        verbose: 0,
        callbacks: {
          onBatchEnd: async () => void seen.push(weightsOf(model)),
          onEpochEnd: async () => {
            seen.push(weightsOf(model));
            tf.tidy(() => model.layers[0].setWeights(model.layers[0].getWeights().map((w) => w.mul(0.5))));
          },
        },
      });
      return seen;
    });
    expect(apart(fast.result, stock.result)).toBeLessThan(1e-5);
    expect(apart(fast.weights, stock.weights)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
  });

  it('callbacks of a class of their own are told what TensorFlow.js tells them', async () => {
    const { x, y } = data();
    class Watch extends tf.Callback {
      readonly losses: number[] = [];
      override async onBatchEnd(_batch: number, logs?: Record<string, unknown>): Promise<void> {
        const loss = logs!.loss as tf.Scalar | number;
        this.losses.push(typeof loss === 'number' ? loss : loss.dataSync()[0]);
      }
    }
    const { stock, fast } = await both(compiled, async (trained) => {
      const watch = new Watch();
      await trained.fit(x, y, { epochs: 2, callbacks: watch as never, verbose: 0 });
      return watch.losses;
    });
    expect(apart(fast.result, stock.result)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
  });
});

describe('evaluate and predict return what TensorFlow.js returns', () => {
  it.each([
    ['one output', compiled],
    [
      'two outputs',
      () => {
        const model = twoInputModel();
        model.compile({
          optimizer: 'sgd',
          loss: { classes: 'categoricalCrossentropy', value: 'meanAbsoluteError' },
          metrics: ['accuracy'],
        });
        return model;
      },
    ],
    [
      'BatchNorms',
      () => {
        const model = batchNormModel();
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
        return model;
      },
    ],
  ])(
    'evaluate and predict return what TensorFlow.js returns for a model with %s',
    async (_name, make: () => tf.LayersModel) => {
      const sample = make();
      const x = sample.inputs.map(({ shape }, i) => normal([21, ...(shape.slice(1) as number[])], i + 1));
      const y = sample.outputs.map(({ shape }, i) =>
        oneHot(21, 3, i).slice([0, 0], [21, shape[1] as number]),
      );
      sample.dispose();
      const { stock, fast } = await both(make, async (trained) => {
        const read = async (values: unknown): Promise<number[][]> => {
          const tensors = [(await values) as tf.Tensor | tf.Tensor[]].flat();
          const numbers = tensors.map((tensor) => [...tensor.shape, ...tensor.dataSync()]);
          tf.dispose(tensors);
          return numbers;
        };
        const predict = (trained as unknown as tf.LayersModel).predict.bind(trained);
        const evaluate = async () => [
          await read(trained.evaluate(x, y)),
          await read(trained.evaluate(x, y, { batchSize: 4 })),
          await read(predict(x)),
          await read(predict(x, { batchSize: 5 })),
        ];
        const before = await evaluate();
        const batches = [await trained.trainOnBatch(x, y), await trained.trainOnBatch(x, y)];
        return [before, batches, await evaluate()];
      });
      expect(apart(fast.result, stock.result)).toBeLessThan(2e-5);
      expect([fast.left, stock.left]).toEqual([0, 0]);
      tf.dispose([x, y]);
    },
  );

  it('evaluate and predict return what TensorFlow.js returns for a dataset', async () => {
    const { x, y } = data();
    await accelerated(compiled(), async (fast) => {
      const own = (await fast.evaluateDataset(dataset(x, y, 16))) as tf.Scalar[];
      const stock = (await fast.model.evaluateDataset(dataset(x, y, 16) as never, {})) as tf.Scalar[];
      expect(
        apart(
          own.map((each) => each.dataSync()[0]),
          stock.map((each) => each.dataSync()[0]),
        ),
      ).toBeLessThan(1e-5);
      tf.dispose([own, stock]);
    });
    tf.dispose([x, y]);
  });
});

describe('the weights that are trained', () => {
  it('are those that are not frozen, also where that changes between two fits', async () => {
    const { x, y } = data();
    const { stock, fast } = await both(compiled, async (trained) => {
      const model = modelOf(trained);
      vi.spyOn(console, 'warn').mockImplementation(() => {});
      const losses: number[] = [];
      for (const trainable of [true, false, true]) {
        model.layers[0].trainable = trainable;
        losses.push(...(await lossesOf(trained, x, y, { epochs: 2 })).losses);
      }
      model.layers[2].trainable = false;
      model.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: 'meanSquaredError' });
      losses.push(...(await lossesOf(trained, x, y, { epochs: 2 })).losses);
      return losses;
    });
    expect(apart(fast.result, stock.result)).toBeLessThan(1e-5);
    expect(apart(fast.weights, stock.weights)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
  });

  it('are read from the model at each call, frozen ones too', async () => {
    const { x, y } = data();
    const { stock, fast } = await both(compiled, async (trained) => {
      const model = modelOf(trained);
      model.layers[0].trainable = false;
      vi.spyOn(console, 'warn').mockImplementation(() => {});
      const first = (await lossesOf(trained, x, y, {})).losses;
      tf.tidy(() => model.setWeights(model.getWeights().map((weight) => weight.mul(2))));
      return [...first, ...(await lossesOf(trained, x, y, {})).losses];
    });
    expect(apart(fast.result, stock.result)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
  });

  it.each(['cpu', 'wasm'])(
    'are back in the model on %s after an error and after an abort',
    async (backend) => {
      await useBackend(backend);
      const { x, y } = data();
      await accelerated(compiled(), async (fast) => {
        const { model } = fast;
        for (const how of ['error', 'abort'] as const) {
          const start = weightsOf(model);
          const stop = new AbortController();
          let batches = 0;
          const ending = fast.fit(x, y, {
            epochs: 5,
            verbose: 0,
            signal: stop.signal,
            callbacks: {
              onBatchEnd() {
                if (++batches < 3) return;
                if (how === 'error') throw new Error('a callback failed');
                stop.abort(new Error('aborted'));
              },
            },
          });
          await expect(ending).rejects.toThrow(how === 'error' ? 'a callback failed' : 'aborted');
          expect(batches).toBe(3);
          expect(apart(weightsOf(model), start)).toBeGreaterThan(1e-3);
          const { isTraining } = (model as unknown as { model: { isTraining: boolean } }).model;
          expect(isTraining).toBe(false);
        }
        const { history } = await fast.fit(x, y, { verbose: 0 });
        expect(history.loss).toHaveLength(1);
      });
      tf.dispose([x, y]);
      await useBackend('cpu');
    },
  );

  it('can be used by predict during a fit', async () => {
    const { x, y } = data();
    await accelerated(compiled(), async (fast) => {
      const apartFrom: number[] = [];
      await fast.fit(x, y, {
        epochs: 2,
        verbose: 0,
        callbacks: {
          async onEpochEnd() {
            const own = (await fast.predict(x)) as tf.Tensor;
            const stock = fast.model.predict(x) as tf.Tensor;
            apartFrom.push(apart([...own.dataSync()], [...stock.dataSync()]));
            tf.dispose([own, stock]);
          },
        },
      });
      expect(Math.max(...apartFrom)).toBeLessThan(1e-5);
    });
    tf.dispose([x, y]);
  });
});

describe('a solver in compile works as it does in TensorFlow.js', () => {
  const smooth = (): tf.Sequential =>
    tf.sequential({
      layers: [
        L.dense({ units: 8, activation: 'tanh', inputShape: [8], kernelInitializer: glorot(1) }),
        L.dense({ units: 3, activation: 'softmax', kernelInitializer: glorot(2) }),
      ],
    });
  const constrained = (): tf.Sequential =>
    tf.sequential({
      layers: [
        L.dense({
          units: 8,
          activation: 'tanh',
          inputShape: [8],
          kernelInitializer: glorot(1),
          kernelConstraint: 'nonNeg',
        }),
        L.dense({ units: 3, activation: 'softmax', kernelInitializer: glorot(2) }),
      ],
    });

  it.each<[string, () => tf.Sequential, () => SolverOptimizer, tf.ModelFitArgs]>([
    ['L-BFGS on all data', smooth, () => new LBFGSOptimizer(), { batchSize: 50, epochs: 8 }],
    ['L-BFGS with fullBatch', smooth, () => new LBFGSOptimizer({ fullBatch: true }), { batchSize: 50, epochs: 8, shuffle: false }], // prettier-ignore
    ['L-BFGS on mini-batches', smooth, () => new LBFGSOptimizer(), { batchSize: 10, epochs: 3 }],
    ['BFGS, three iterations a batch', smooth, () => new BFGSOptimizer({ maxIterations: 3 }), { batchSize: 50, epochs: 3 }], // prettier-ignore
    ['a sequence', smooth, () => new SolverOptimizer(sequence({ solver: adam(), iterations: 3 }, lbfgs())), { batchSize: 50, epochs: 6 }], // prettier-ignore
    [
      'L-BFGS through BatchNorms',
      () => batchNormModel(),
      () => new LBFGSOptimizer(),
      { batchSize: 50, epochs: 5 },
    ],
    ['L-BFGS with dropout', denseModel, () => new LBFGSOptimizer(), { batchSize: 50, epochs: 5 }],
    ['L-BFGS with constraints', constrained, () => new LBFGSOptimizer(), { batchSize: 50, epochs: 5 }],
  ])('a solver in compile works as it does in TensorFlow.js: %s', async (name, make, optimizer, args) => {
    const x = normal([50, ...(make().inputs[0].shape.slice(1) as number[])], 7);
    const y = oneHot(50, 3, 8);
    const { stock, fast } = await both(
      () => {
        const model = make();
        const own = optimizer();
        model.compile({ optimizer: own, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
        if (name.includes('constraints')) own.attach(model);
        return model;
      },
      async (trained) => {
        const { told, callbacks } = recorder();
        await trained.fit(x, y, { ...args, verbose: 0, callbacks });
        const { iterations, progress } = modelOf(trained).optimizer as SolverOptimizer;
        // The optimizer goes on in TensorFlow.js with what it has learned.
        const { history } = await modelOf(trained).fit(x, y, { ...args, epochs: 2, verbose: 0 });
        return [told, iterations, progress!.evaluations, history];
      },
    );
    expect(apart(fast.weights, stock.weights)).toBeLessThan(2e-3);
    const coarse = (value: unknown): unknown => JSON.parse(JSON.stringify(rounded(value)), (_, each: unknown) => (typeof each === 'number' ? Math.round(each * 100) / 100 : each)); // prettier-ignore
    expect(coarse(fast.result)).toEqual(coarse(stock.result));
    expect(fast.left).toBe(0);
    tf.dispose([x, y]);
  });
});

it('trains in onnxruntime-web', async () => {
  const { x, y } = data();
  const train = (runtime: typeof ort) =>
    accelerated(
      compiled(tf.train.adam(0.01)),
      async (fast) => {
        const { history } = await fast.fit(x, y, {
          epochs: 2,
          shuffle: false,
          verbose: 0,
          validationSplit: 0.2,
        });
        return [history.loss, history.val_loss];
      },
      runtime,
    );
  // Dropout draws the same numbers.
  const { random } = Math;
  Math.random = () => 0.5;
  const [native, wasm] = [await train(ort), await train(web as unknown as typeof ort)];
  Math.random = random;
  expect(apart(wasm, native)).toBeLessThan(1e-5);
  tf.dispose([x, y]);
});

describe('what cannot be done is refused', () => {
  const withLayers = (...layers: tf.layers.Layer[]): tf.LayersModel => {
    const model = tf.sequential({ layers });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    return model;
  };
  const withCompile = (args: Partial<tf.ModelCompileArgs>): tf.LayersModel => {
    const model = denseModel();
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', ...args });
    return model;
  };
  class Own extends tf.AdamOptimizer {
    override applyGradients(): void {}
  }
  const frozen = (): tf.LayersModel => {
    const model = denseModel();
    model.trainable = false;
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    return model;
  };
  const lossOfItsOwn = (target: tf.Tensor, output: tf.Tensor) => output.sub(target).square();
  const norm = L.batchNormalization({});
  const twice = (): tf.LayersModel => {
    const input = tf.input({ shape: [3] });
    const output = norm.apply(norm.apply(input)) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs: output });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    return model;
  };
  it.each<[string, () => tf.LayersModel, RegExp]>([
    [
      'a loss of the user',
      () => withCompile({ loss: lossOfItsOwn }),
      /loss of output "dense_.*", the function lossOfItsOwn, has no counterpart.*meanSquaredError/,
    ],
    [
      'an optimizer of the user',
      () => withCompile({ optimizer: new Own(0.1, 0.9, 0.999) }),
      /optimizer .*\(Adam\) has no counterpart/,
    ],
    [
      'recurrent dropout',
      () => withLayers(L.lstm({ units: 2, recurrentDropout: 0.2, inputShape: [3, 2] })),
      /layer "lstm_.*recurrentDropout has no counterpart/,
    ],
    [
      'a stateful RNN',
      () => withLayers(L.gru({ units: 2, stateful: true, batchInputShape: [4, 3, 2] })),
      /stateful/,
    ],
    [
      'BatchNorm in a loop over time',
      () => withLayers(L.timeDistributed({ layer: L.batchNormalization({}), inputShape: [3, 2] })),
      /inside a TimeDistributed/,
    ],
    [
      'dropout in a loop over time',
      () =>
        withLayers(
          L.timeDistributed({ layer: L.dropout({ rate: 0.5 }), inputShape: [3, 2] }),
          L.flatten(),
          L.dense({ units: 1 }),
        ),
      /random numbers inside a TimeDistributed/,
    ],
    ['a BatchNorm that is applied twice', twice, /applied more than once/],
    ['a model without trained weights', frozen, /none of the model's weights is trained/],
    ['a model that is not compiled', denseModel, /not compiled; call model.compile/],
  ])('accelerate refuses what it cannot do: %s', (_name, make, message) => {
    const model = make();
    expect(() => accelerate(ort, model)).toThrow(message);
    expect(() => accelerate(ort, model)).toThrow(/^accelerate: /);
    model.dispose();
  });

  it('arguments that are wrong', async () => {
    const model = compiled();
    expect(() => accelerate(null as never, model)).toThrow(/ort must be ONNX Runtime/);
    expect(() => accelerate(ort, {} as never)).toThrow(/must be a tf.LayersModel/);
    expect(() => accelerate(ort, model, { random: 3, speed: 1 } as never)).toThrow(/random: .*\n.*speed/);
    const { x, y } = data();
    await accelerated(model, (fast) =>
      expectNoLeak(async () => {
        await expect(fast.fit(x, y, { batchSize: 0, epoch: 3 } as never)).rejects.toThrow(
          /^fit: 2 options are wrong:\s+batchSize: .*\s+epoch/,
        );
        await expect(fast.fit(x, null as never)).rejects.toThrow(/^fit: y must be a tensor/);
        await expect(fast.fit(y, x)).rejects.toThrow(/expected .*shape/i);
        await expect(fast.fit(x, y, { classWeight: { 0: 1 } })).rejects.toThrow(/no weight for class/);
        await expect(fast.fit(x, y, { validationSplit: 0.99999 })).rejects.toThrow(/leaves 0 of 50/);
        await expect(fast.predict(y)).rejects.toThrow(
          /input "dense_.*" must have the shape \[50, 8\], got \[50, 3\]/,
        );
        await expect(fast.predict(null as never)).rejects.toThrow(/^predict: x must be a tensor/);
        await expect(fast.fitDataset({} as never, { epochs: 1 })).rejects.toThrow(/must have an iterator/);
        await expect(fast.fitDataset(dataset(x, y, 9), {} as never)).rejects.toThrow(/epochs/);
        await expect(fast.fitDataset(dataset(y, x, 9), { epochs: 1 })).rejects.toThrow(/must have the shape/);
        await expect(
          fast.evaluateDataset({
            iterator: async () => ({ next: async () => ({ value: null, done: true }) }),
          }),
        ).rejects.toThrow(/no batches/);
      }),
    );
    tf.dispose([x, y]);
  });

  it('a fit during another, and calls after dispose', async () => {
    const { x, y } = data();
    const model = compiled();
    const fast = accelerate(ort, model);
    const first = fast.fit(x, y, { verbose: 0 });
    await expect(fast.fit(x, y)).rejects.toThrow(/another fit of this model is under way/);
    await expect(model.fit(x, y)).rejects.toThrow(/another fit/);
    await first;
    await fast.dispose();
    await fast.dispose();
    await expect(fast.fit(x, y)).rejects.toThrow(/disposed of/);
    await expect(fast.predict(x)).rejects.toThrow(/disposed of/);
    tf.dispose([x, y]);
    model.dispose();
  });
});
