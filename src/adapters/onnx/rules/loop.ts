import { refuse } from '../ir/errors.ts';
import { subgraphsOf } from '../ir/attributes.ts';
import { bodyIn, doBody } from '../ir/body.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { throughSteps } from './steps.ts';

/** Another loop learns the states again, which are not kept, and how many steps there were. */
export const loopRule: VjpRule = (c) => {
  const { g, node, inputs } = c;
  const [body] = subgraphsOf(node);
  const initial = node.input.slice(2);
  if (body === undefined || body.input.length !== initial.length + 2)
    refuse('its body and its inputs do not fit together.');

  const again = bodyIn(g, inputs.slice(node.input.length));
  const own = [
    again.addInput(again.fresh('step'), DType.INT64, []),
    again.addInput(again.fresh('going'), DType.BOOL, []),
    ...initial.map((state) =>
      again.addInput(again.fresh('state'), g.dtypeOf(state) ?? g.float, g.shapeOf(state)),
    ),
  ];
  const [going, ...next] = doBody(again, body, own).slice(0, own.length - 1);
  for (const value of [going, ...next, own[0], ...own.slice(2)]) again.addOutput(again.fresh('out'), value);
  const loop = g.ops('Loop', node.input.slice(0, own.length), { body: again.proto }, 2 * initial.length + 1);
  const [steps, ...before] = loop.slice(initial.length);

  return throughSteps(c, {
    firstInput: 2,
    initial,
    before,
    sequences: [steps],
    sequencesBackward: [false],
    resultsBackward: body.output.slice(initial.length + 1).map(() => false),
    step: (s, now, [step]) => doBody(s, body, [step, s.constant(DType.BOOL, [], [1]), ...now]).slice(1),
  });
};
