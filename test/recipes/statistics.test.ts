import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { between, landscape, type LandscapeData } from 'quasi-newton/landscape';
import { modelProblem, tfParams, type TfParamSet } from 'quasi-newton/tfjs';

let x: tf.Tensor2D;
let y: tf.Tensor;
beforeAll(async () => {
  await tf.setBackend('cpu');
  x = tf.randomNormal([64, 4], 3, 2, 'float32', 1);
  y = x.slice([0, 0], [-1, 1]).sin();
});

describe('batch normalization between two models', () => {
  const netOf = async (seed: number) => {
    const kernelInitializer = tf.initializers.glorotNormal({ seed });
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 8, inputShape: [4], kernelInitializer }),
        tf.layers.batchNormalization({ momentum: 0.9 }),
        tf.layers.dense({ units: 1, activation: 'tanh', kernelInitializer }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.02) });
    await model.fit(x, y, { epochs: 20, batchSize: 64, verbose: 0 });
    return model;
  };
  const lossOf = (model: tf.LayersModel) =>
    tf.tidy(() => (model.evaluate(x, y, { batchSize: 64 }) as tf.Scalar).dataSync()[0]);
  const vectorOf = (params: TfParamSet) => params.copyInto(params.zeros());
  const everyWeight = (model: tf.LayersModel) => tfParams(model.weights.map((w) => w.read() as tf.Variable));

  it('is refused where its statistics would stay behind, and right where they come along', async () => {
    const [a, b] = [await netOf(1), await netOf(2)];
    const inference = () => lossOf(a);
    const models = between(vectorOf(tfParams(a)), vectorOf(tfParams(b)));
    const options = { dimensions: 1, directions: models, npoints: 5 } as const;
    expect(() => landscape(inference, tfParams(a), options)).toThrow(
      /gamma" belongs to batch normalization, whose moving statistics .* statistics: 'fixed'/,
    );
    const atB = ({ x: places, z }: LandscapeData) => z[places.indexOf(1)];
    const kept = landscape(inference, tfParams(a), { ...options, statistics: 'fixed' });
    expect(Math.abs(atB(kept) / lossOf(b) - 1)).toBeGreaterThan(0.05);

    const all = landscape(inference, everyWeight(a), {
      ...options,
      directions: between(vectorOf(everyWeight(a)), vectorOf(everyWeight(b))),
    });
    expect(all.loss).toBeCloseTo(lossOf(a), 6);
    expect(atB(all)).toBeCloseTo(lossOf(b), 5);

    const batch = landscape(modelProblem(a, x, y), options);
    expect(atB(batch)).toBeCloseTo(modelProblem(b, x, y).fg(vectorOf(tfParams(b)), null), 6);
  });
});
