import type { Upgrade } from '../ir/op.ts';

/** Turns an attribute of whole numbers into input i, as in later opsets. */
export const toInput =
  (attribute: string, i: number): Upgrade =>
  ({ node, attributes, integers, drop }) => {
    const values = attributes.ints(attribute);
    if (values === undefined) return;
    node.input[i] = integers(values);
    drop(attribute);
  };

/** Turns the attribute `axes` into the second input. */
export const axesToInput: Upgrade = toInput('axes', 1);
