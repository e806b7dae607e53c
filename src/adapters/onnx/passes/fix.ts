import { sizeOf } from '../../../core/layout.ts';
import { create } from '@bufbuild/protobuf';
import { TensorShapeProto_DimensionSchema, TensorShapeProtoSchema, type TypeProto_Tensor } from 'onnx-buf';
import { fault, type Fault } from '../ir/errors.ts';
import { dtypeName, tensorOf } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';

/** Values of inputs that are the same in every run. */
export type FixedInputs = Readonly<Record<string, number | bigint | boolean | readonly number[]>>;

/** Sizes of inputs that are the same in every run; null for sizes that vary. */
export type FixedShapes = Readonly<Record<string, readonly (number | null)[]>>;

const tensorTypeOf = ({ graph }: Model, name: string): TypeProto_Tensor | undefined => {
  const type = graph.input.find((candidate) => candidate.name === name)?.type?.value;
  return type?.case === 'tensorType' ? type.value : undefined;
};

const unknownInput = (option: string, { graph }: Model, name: string): Fault => {
  const names = graph.input.map((candidate) => JSON.stringify(candidate.name)).join(', ');
  return fault(`${option}: the model has no input ${JSON.stringify(name)}; it has ${names}.`);
};

/** Turns inputs into constants of the graph, in place: values that depend only on them become known. */
export function fixInputs(model: Model, fixed: FixedInputs): Fault[] {
  const { graph } = model;
  return Object.entries(fixed).flatMap(([name, value]) => {
    const input = graph.input.find((candidate) => candidate.name === name);
    const type = tensorTypeOf(model, name);
    if (type === undefined) return [unknownInput('fix', model, name)];
    const values = typeof value === 'object' ? value : [Number(value)];
    const dims = type.shape?.dim ?? [];
    const shape = dims.map(({ value: size }) => (size.case === 'dimValue' ? Number(size.value) : -1));
    const free = shape.filter((size) => size < 0).length;
    const rest = sizeOf(shape.filter((size) => size >= 0));
    const full = shape.map((size) => (size < 0 ? values.length / rest : size));
    if (free > 1 || sizeOf(full) !== values.length || !full.every(Number.isInteger))
      return [
        fault(
          `fix: the input ${JSON.stringify(name)} is ${dtypeName(type.elemType)} of shape [${shape.map((size) => (size < 0 ? '?' : size)).join(', ')}]; got ${values.length} values, which do not fit.`,
        ),
      ];
    graph.initializer.push(tensorOf(name, type.elemType, full, values));
    graph.input = graph.input.filter((candidate) => candidate !== input);
    return [];
  });
}

/**
 * Writes sizes into the types of inputs, in place: values that depend only on them become known. A named size is the
 * same wherever its name occurs.
 */
export function fixShapes(model: Model, shapes: FixedShapes): Fault[] {
  const named = new Map<string, number>();
  const faults = Object.entries(shapes).flatMap(([name, sizes]) => {
    const type = tensorTypeOf(model, name);
    if (type === undefined) return [unknownInput('shapes', model, name)];
    const dims = type.shape?.dim ?? sizes.map(() => create(TensorShapeProto_DimensionSchema));
    type.shape ??= create(TensorShapeProtoSchema, { dim: dims });
    const known = dims.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : null));
    const fits = (size: number | null, k: number) => known[k] === null || size === null || size === known[k];
    if (sizes.length !== dims.length || !sizes.every(fits)) {
      const is = known.map((size) => size ?? '?').join(', ');
      return [
        fault(
          `shapes: the input ${JSON.stringify(name)} has the shape [${is}], which does not fit [${sizes.map((size) => size ?? '?').join(', ')}].`,
        ),
      ];
    }
    return dims.flatMap((dim, k) => {
      const size = sizes[k];
      if (size === null) return [];
      if (dim.value.case === 'dimParam' && dim.value.value !== '') {
        const before = named.get(dim.value.value) ?? size;
        named.set(dim.value.value, size);
        if (before !== size)
          return [
            fault(
              `shapes: the size ${JSON.stringify(dim.value.value)} cannot be both ${before} and ${size}.`,
            ),
          ];
      }
      dim.value = { case: 'dimValue', value: BigInt(size) };
      return [];
    });
  });
  for (const { type } of [...model.graph.input, ...model.graph.output, ...model.graph.valueInfo]) {
    if (type?.value.case !== 'tensorType') continue;
    for (const dim of type.value.value.shape?.dim ?? []) {
      const size = dim.value.case === 'dimParam' ? named.get(dim.value.value) : undefined;
      if (size !== undefined) dim.value = { case: 'dimValue', value: BigInt(size) };
    }
  }
  return faults;
}
