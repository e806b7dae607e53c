import { fault, type Fault } from '../ir/errors.ts';
import { dtypeName, tensorOf } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';

/** Values of inputs that are to be the same in every run. */
export type FixedInputs = Readonly<Record<string, number | bigint | boolean | readonly number[]>>;

/** Makes inputs constants of the graph, in place, so that what depends on them alone is settled beforehand. */
export function fixInputs({ graph }: Model, fixed: FixedInputs): Fault[] {
  return Object.entries(fixed).flatMap(([name, value]) => {
    const input = graph.input.find((candidate) => candidate.name === name);
    const type = input?.type?.value.case === 'tensorType' ? input.type.value.value : undefined;
    if (type === undefined) {
      const names = graph.input.map((candidate) => JSON.stringify(candidate.name)).join(', ');
      return [fault(`fix: the model has no input ${JSON.stringify(name)}; it has ${names}.`)];
    }
    const values = typeof value === 'object' ? value : [Number(value)];
    const dims = type.shape?.dim ?? [];
    const shape = dims.map(({ value: size }) => (size.case === 'dimValue' ? Number(size.value) : -1));
    const free = shape.filter((size) => size < 0).length;
    const rest = shape.filter((size) => size >= 0).reduce((a, b) => a * b, 1);
    const full = shape.map((size) => (size < 0 ? values.length / rest : size));
    if (free > 1 || full.reduce((a, b) => a * b, 1) !== values.length || !full.every(Number.isInteger))
      return [
        fault(
          `fix: the input ${JSON.stringify(name)} is ${dtypeName(type.elemType)} of shape [${shape.map((size) => (size < 0 ? '?' : size)).join(', ')}]; ${values.length} values do not fit.`,
        ),
      ];
    graph.initializer.push(tensorOf(name, type.elemType, full, values));
    graph.input = graph.input.filter((candidate) => candidate !== input);
    return [];
  });
}
