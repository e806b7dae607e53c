import { expect, test } from 'vitest';
import { updateRules } from '../../../src/adapters/tfjs/accelerate/updateRules.ts';

const hypers = {
  Adam: { learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
  Adamax: { learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, decay: 0 },
  Adagrad: { learningRate: 0.1, initialAccumulatorValue: 0.1 },
  RMSProp: { learningRate: 0.1, decay: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
  'RMSProp, centered': { learningRate: 0.1, decay: 0.9, momentum: 0, epsilon: 1e-7, centered: true },
  Adadelta: { learningRate: 1, rho: 0.95, epsilon: 1e-7 },
};

test.each(Object.entries(hypers))(
  '%s moves a weight again after gradients whose squares are no float32 numbers',
  (name, hyper) => {
    const rule = updateRules[name.split(',')[0]];
    const p = Float32Array.of(0, 0);
    const initial = rule.initial?.(hyper) ?? 0;
    const slots = rule.slots(hyper).map(() => Float32Array.of(initial, initial));
    const counters = rule.counters?.(hyper) ?? {};
    const step = (...g: number[]) =>
      rule.step({ p, g: Float32Array.from(g), slots, hyper, counters, epsilon: 1e-7 });
    for (let t = 0; t < 3; t++) step(3e38, -1e20);
    for (const list of [p, ...slots]) expect(list.every(Number.isFinite)).toBe(true);
    const before = p.slice();
    for (let t = 0; t < 5; t++) step(3e38, -1e20);
    expect(p[0]).toBeLessThan(before[0]);
    expect(p[1]).toBeGreaterThan(before[1]);
    for (const list of [p, ...slots]) expect(list.every(Number.isFinite)).toBe(true);
    step(NaN, 0);
    expect(p[0]).toBeNaN();
  },
);
