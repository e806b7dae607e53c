import { explain } from 'quasi-newton/onnx';

/**
 * True if two models hold constant tensors of the same names and shapes.
 *
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function sameLayout(a, b) {
  const [one, other] = [a, b].map((bytes) =>
    JSON.stringify(explain(bytes).parameters.map(({ name, shape }) => [name, shape])),
  );
  return one === other;
}
