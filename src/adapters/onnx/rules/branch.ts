import { bodyIn, doBody } from '../ir/body.ts';
import type { Value } from '../ir/graph.ts';
import { refuse } from '../ir/errors.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** The same choice once more, between how each branch makes the cotangents of what it reads. */
export const ifRule: VjpRule = ({ g, node, inputs, dys, needs, within }) => {
  const captured = inputs.slice(node.input.length);
  const wanted = captured.filter((_, j) => needs(node.input.length + j));
  const back = (branch: string) => {
    const graph = node.attribute.find(({ name }) => name === branch)?.g ?? refuse(`it has no ${branch}.`);
    const body = bodyIn(g, [...captured, ...dys.filter((dy) => dy !== undefined)]);
    const outputs = doBody(body, graph, []);
    const seeds = outputs.flatMap((output, k): [Value, Value][] => {
      const dy = dys[k];
      return dy === undefined ? [] : [[output, dy]];
    });
    const found = within(body, seeds, wanted);
    for (const value of wanted) body.addOutput(body.fresh('out'), found.get(value) ?? body.zerosLike(value));
    return body.proto;
  };
  const branches = { then_branch: back('then_branch'), else_branch: back('else_branch') };
  const cotangents = g.ops('If', [node.input[0]], branches, wanted.length);
  wanted.forEach((value, k) => g.types.set(cotangents[k], g.types.get(value) ?? {}));
  return inputs.map((input, i) => (i < node.input.length ? undefined : cotangents[wanted.indexOf(input)]));
};
