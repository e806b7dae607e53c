import * as tf from '@tensorflow/tfjs';
import {
  counterOf,
  countSteps,
  iterationsOf,
  makeSlots,
  slotsIn,
  stockClass,
} from '../internals/optimizerState.ts';
import { readNow } from '../tensors/read.ts';
import { tfParams } from '../tensors/tfParams.ts';
import type { Stepper } from './stepper.ts';
import type { Evaluation, Trainer, TrainingBatch } from './trainer.ts';
import { updateRules, type Counters, type Hyper, type UpdateRule } from './updateRules.ts';

/** Returns the rule of an optimizer of TensorFlow.js, or null for others. */
export function ruleOf(optimizer: tf.Optimizer): UpdateRule | null {
  const name = stockClass(optimizer);
  return name === null ? null : updateRules[name];
}

/** Takes the steps of an optimizer of TensorFlow.js. */
export class RuleStepper implements Stepper {
  private readonly trainer: Trainer;
  private readonly optimizer: tf.Optimizer;
  private readonly rule: UpdateRule;
  private slots: Float32Array[] = [];
  private counters: Counters = {};
  /** Step count of the optimizer when its state last agreed with the one here; −1 before the first call. */
  private iterations = -1;
  private steps = 0;

  constructor(trainer: Trainer, optimizer: tf.Optimizer, rule: UpdateRule) {
    this.trainer = trainer;
    this.optimizer = optimizer;
    this.rule = rule;
  }

  async begin(): Promise<void> {
    const { optimizer, rule, trainer } = this;
    this.steps = 0;
    if (iterationsOf(optimizer) === this.iterations) return;
    const hyper = this.hyper();
    const { layout, length } = trainer.weights.trained.params;
    const shapes = layout.tensors.map(({ shape }) => shape);
    const fields = rule.slots(hyper).map(([field]) => slotsIn(optimizer, field, shapes));
    const isNew = fields.includes(null);
    const vectors = rule.allocate?.(length) ?? fields.map(() => new Float32Array(length));
    this.slots = await Promise.all(
      fields.map(async (variables, k) => {
        const vector = vectors[k].fill(rule.initial?.(hyper) ?? 0);
        if (isNew || variables === null) return vector;
        const values = await Promise.all(variables.map((variable) => variable.data<'float32'>()));
        for (const [i, { offset }] of layout.tensors.entries()) vector.set(values[i], offset);
        return vector;
      }),
    );
    this.counters = rule.counters?.(hyper) ?? {};
    if (isNew) return;
    for (const name of Object.keys(this.counters))
      this.counters[name] = readNow(counterOf(optimizer, name))[0];
  }

  async step(batch: TrainingBatch, wantsOutputs: boolean): Promise<Evaluation> {
    const { trainer, slots, counters } = this;
    const evaluation = await trainer.evaluate(batch, wantsOutputs);
    const { gradient } = trainer;
    const weights = trainer.weights.trained;
    this.rule.step({
      p: weights.values,
      g: gradient,
      slots,
      counters,
      hyper: this.hyper(),
      epsilon: tf.backend().epsilon(),
    });
    weights.touch();
    trainer.updateStatistics(evaluation);
    this.steps++;
    return evaluation;
  }

  end(all: boolean): void {
    const { optimizer, rule, trainer, steps } = this;
    countSteps(optimizer, steps);
    this.steps = 0;
    this.iterations = iterationsOf(optimizer);
    const { layout, variables } = trainer.weights.trained.params;
    const shapes = layout.tensors.map(({ shape }) => shape);
    const fields = rule.slots(this.hyper());
    const known = fields.map(([field]) => slotsIn(optimizer, field, shapes));
    if (known.includes(null) && !all) return;
    for (const [k, [field, suffix]] of fields.entries()) {
      const slots = known[k] ?? makeSlots(optimizer, field, suffix, variables);
      tfParams(slots).copyFrom(this.slots[k]);
    }
    for (const [name, value] of Object.entries(this.counters)) {
      tf.tidy(() => counterOf(optimizer, name).assign(tf.scalar(value)));
    }
  }

  private hyper(): Hyper {
    return this.optimizer.getConfig() as Hyper;
  }
}
