import { refuse } from '../ir/errors.ts';
import { subgraphsOf } from '../ir/attributes.ts';
import { doBody } from '../ir/body.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { throughSteps } from './steps.ts';

/** Another scan learns the states again, which are not kept. */
export const scanRule: VjpRule = (c) => {
  const { g, node, inputs, attributes } = c;
  const axes = ['scan_input_axes', 'scan_output_axes'].flatMap((name) => attributes.ints(name) ?? []);
  if (axes.some((axis) => axis !== 0)) refuse('a Scan along other axes than the first has no rule.');
  const [body] = subgraphsOf(node);
  const count = attributes.int('num_scan_inputs', 0);
  const states = node.input.length - count;
  if (body === undefined || count < 1 || states < 0 || body.input.length !== node.input.length)
    refuse('its body and its inputs do not fit together.');
  const backward = (name: string, n: number) => {
    const directions = attributes.ints(name);
    return range(n).map((i) => directions?.[i] === 1);
  };
  const initial = inputs.slice(0, states);
  const sequences = inputs.slice(states, node.input.length);
  const sequencesBackward = backward('scan_input_directions', count);
  const { results: before } = scan(
    g,
    {
      states: initial,
      sequences,
      captured: inputs.slice(node.input.length),
      backward: sequencesBackward,
      resultsBackward: initial.map(() => false),
    },
    (s, now, at) => ({ states: doBody(s, body, [...now, ...at]).slice(0, states), results: now }),
  );
  return throughSteps(c, {
    firstInput: 0,
    initial,
    before,
    sequences,
    sequencesBackward,
    resultsBackward: backward('scan_output_directions', body.output.length - states),
    step: (s, now, at) => doBody(s, body, [...now, ...at]),
  });
};
