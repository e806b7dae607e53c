import type { SparseTensorProto } from 'onnx-buf';
import { sizeOf } from '../../../core/layout.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import type { Model } from '../ir/model.ts';
import { numbersOf, shapeOf, tensorOf, type TensorProto } from '../ir/tensor.ts';

/**
 * Writes the sparse initializers of a graph as others, in place, as ONNX Runtime does when it loads them. They are not trained: the
 * file could not hold the elements that are zero.
 *
 * @returns their names
 * @throws OnnxError naming each whose elements have no place in it
 */
export function withoutSparse({ graph }: Model): readonly string[] {
  const dense = graph.sparseInitializer.map(denseOf);
  graph.sparseInitializer = [];
  graph.initializer.push(...dense);
  return dense.map(({ name }) => name);
}

function denseOf({ values, indices, dims }: SparseTensorProto): TensorProto {
  const [name, shape] = [values?.name ?? '', dims.map(Number)];
  const numbers = Array<number>(sizeOf(shape)).fill(0);
  const places = indices ? numbersOf(indices) : [];
  // One number an element, counted row by row, or one for each axis.
  const each = indices && shapeOf(indices).length > 1 ? shape.length : 1;
  const elements = values ? numbersOf(values) : [];
  elements.forEach((element, k) => {
    const at = places.slice(k * each, (k + 1) * each);
    const place = each === 1 ? at[0] : at.reduce((sum, index, i) => sum * shape[i] + index, 0);
    if (!(place >= 0 && place < numbers.length)) {
      throw new OnnxError([
        fault(
          `sparse initializer ${JSON.stringify(name)} of shape [${shape.join(', ')}]: its element ${k} has no place in it; the file is damaged.`,
        ),
      ]);
    }
    numbers[place] = element;
  });
  return tensorOf(name, values?.dataType ?? 1, shape, numbers);
}
