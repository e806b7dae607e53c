/**
 * Checks of what custom losses and networks pass to the methods of a graph.
 *
 * @module
 */
import { sizeOf } from '../../../core/layout.ts';
import { show } from '../../../core/options.ts';
import type { AttributeValues } from './attributes.ts';
import { refuse } from './errors.ts';

const isWhole = (value: unknown): boolean => typeof value === 'number' && Number.isSafeInteger(value);

/** True for values that an attribute can hold. */
const isAttribute = (value: unknown): boolean =>
  value === undefined ||
  typeof value === 'string' ||
  typeof value === 'number' ||
  (Array.isArray(value) &&
    (value.every((each) => typeof each === 'number') || value.every((each) => typeof each === 'string'))) ||
  (typeof value === 'object' && value !== null && '$typeName' in value);

/**
 * Checks the op, inputs and attributes of a node.
 *
 * @throws Refusal naming the first that is wrong
 */
export function checkNode(op: unknown, inputs: unknown, attributes: AttributeValues): void {
  if (typeof op !== 'string' || op === '') refuse(`op: its name must be a string, got ${show(op)}.`);
  if (!Array.isArray(inputs))
    refuse(`${op}: its inputs must be a list of values and numbers, got ${show(inputs)}.`);
  for (let i = 0; i < inputs.length; i++) {
    const input: unknown = inputs[i];
    if (input !== undefined && typeof input !== 'string' && typeof input !== 'number')
      refuse(`${op}: input ${i} must be a value of the graph or a number, got ${show(input)}.`);
  }
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes))
    refuse(`${op}: its attributes must be an object, got ${show(attributes)}.`);
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (!isAttribute(value))
      refuse(`${op}: attribute ${name} must be a number, a string or a list of these, got ${show(value)}.`);
  }
}

/** Checks the operands of an op that has no optional ones. @throws Refusal naming the first that is missing */
export function checkOperands(op: string, operands: readonly unknown[]): void {
  const missing = operands.findIndex((operand) => operand === undefined || operand === '');
  if (missing >= 0)
    refuse(
      `${op}: operand ${missing} must be a value of the graph or a number, got ${show(operands[missing])}.`,
    );
}

/** Checks a list of whole numbers. @throws Refusal if it is not one */
export function checkWhole(what: string, values: unknown): void {
  if (!Array.isArray(values) && !ArrayBuffer.isView(values))
    refuse(`${what} is needed, got ${show(values)}.`);
  for (const value of values as ArrayLike<unknown> & Iterable<unknown>)
    if (!isWhole(value)) refuse(`${what} is needed; one of them is ${show(value)}.`);
}

/** Checks the elements of a constant of a shape. @throws Refusal if they are not a list of numbers, or not as many as the shape has */
export function checkNumbers(values: unknown, shape: readonly number[]): void {
  if (!Array.isArray(values) && !ArrayBuffer.isView(values))
    refuse(`the elements of a constant must be a list of numbers, got ${show(values)}.`);
  const stranger = Array.isArray(values) ? values.findIndex((value) => typeof value !== 'number') : -1;
  if (stranger >= 0)
    refuse(
      `element ${stranger} of a constant must be a number, got ${show((values as unknown[])[stranger])}.`,
    );
  const { length } = values as ArrayLike<unknown>;
  const size = sizeOf(shape);
  if (length !== size)
    refuse(`a constant of shape [${shape.join(', ')}] has ${size} elements, got ${length}.`);
}
