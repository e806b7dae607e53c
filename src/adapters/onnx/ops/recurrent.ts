import type { NodeProto } from 'onnx-buf';
import { attributesOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import { roleNamed, stateRole, type Lowering, type Op, type OpTable } from '../ir/op.ts';
import { meet, samplesOfFirst, type SampleRule } from '../ir/samples.ts';
import { range, unknownDimension, type Dimension } from '../ir/shape.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { gruGradient, lstmGradient, rnnGradient, throughDirection, type Cell } from './recurrentGradient.ts';
import { gruStep, lstmStep, rnnStep, stepByStep, type Step } from './recurrentSteps.ts';
import { mapRecurrent } from './vmap/recurrent.ts';

const infer: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  const first = c.attributes.int('layout', 0) === 1;
  const [a, b]: readonly Dimension[] = x ?? [unknownDimension(), unknownDimension()];
  const [time, batch] = first ? [b, a] : [a, b];
  const directions = c.attributes.string('direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden = c.attributes.has('hidden_size')
    ? c.attributes.int('hidden_size', 0)
    : (c.shape(2)?.[2] ?? unknownDimension());
  const state = { dtype, shape: first ? [batch, directions, hidden] : [directions, batch, hidden] };
  return [
    { dtype, shape: first ? [batch, time, directions, hidden] : [time, directions, batch, hidden] },
    state,
    state,
  ];
};

const samples: SampleRule = (c) => {
  const batchFirst = c.attributes.int('layout', 0) === 1;
  const x = samplesOfFirst(c);
  if (x.axis !== (batchFirst ? 0 : 1)) meet('it goes through the batch step by step');
  for (const i of [5, 6]) {
    if (!c.node.input[i]) continue;
    const state = c.of(i) ?? refuse('its initial state must have one row for each sample.');
    if (state.axis !== x.axis) meet('they lie on different axes of its inputs');
  }
  const [sequence, state] = batchFirst ? [0, 0] : [2, 1];
  const { inner } = x;
  return [
    { axis: sequence, inner },
    { axis: state, inner },
    { axis: state, inner },
  ];
};

/** A kind of recurrent layer. */
interface Kind {
  readonly gates: number;
  readonly states: number;
  /** Default activations of one direction, in lower case. */
  readonly activations: readonly string[];
  readonly step: Step;
  readonly gradient: Cell;
}

/** True if a layer has no unusual features: its gradient can then be computed at all steps at once. */
function isUsual({ activations }: Kind, { input }: NodeProto, attributes: Attributes): boolean {
  const names = (attributes.strings('activations') ?? []).map((name) => name.toLowerCase());
  const own = activations.join();
  const count = activations.length;
  const usual = count === 1 ? [own, 'relu'] : [own];
  const each = range(names.length / count).map((d) => names.slice(d * count, (d + 1) * count).join());
  return (
    !input[4] &&
    !input[7] &&
    !attributes.has('clip') &&
    attributes.int('layout', 0) === 0 &&
    attributes.int('input_forget', 0) === 0 &&
    each.every((found) => usual.includes(found) && found === each[0])
  );
}

/** Differentiates the gates at all steps at once, and only the recurrence itself step by step. */
const gradientOf =
  (kind: Kind, inSteps: Lowering): VjpRule =>
  (c) => {
    const { g, node, attributes } = c;
    if (!isUsual(kind, node, attributes)) {
      inSteps(g, node, attributes);
      refuse('inside a subgraph, layers of this kind have no rule.');
    }
    const Y = g.extraOutput(node, 0);
    const directions = attributes.string('direction', 'forward') === 'bidirectional' ? 2 : 1;
    const found = range(directions).map((d) => throughDirection(c, kind.gradient, kind.gates, Y, d));
    return found[0].map((_, i) => {
      const parts = found.map((each) => each[i]).filter((part) => typeof part === 'string');
      const [first, ...others] = parts;
      // Both directions read the same X; each has its own of all other inputs.
      if (first === undefined || i === 0) return first && g.add(first, ...others);
      return g.stack(parts, 0);
    });
  };

const roles = {
  1: roleNamed('W', 'weight', [0, 1]),
  2: roleNamed('R', 'weight', [0, 1]),
  3: roleNamed('B', 'bias'),
  5: stateRole,
  6: stateRole,
  7: roleNamed('P', 'weight'),
};

function layer(kind: Kind): Op {
  const inSteps = stepByStep(kind.activations, kind.gates, kind.states, kind.step);
  return {
    infer,
    samples,
    as: {
      lower: (g, node, attributes) =>
        isUsual(kind, node, attributes) ? undefined : inSteps(g, node, attributes),
      float64: inSteps,
    },
    vjp: gradientOf(kind, inSteps),
    vmap: mapRecurrent,
    roles,
    isCostly: true,
  };
}

/** The long short-term memory. */
export const lstm = layer({
  gates: 4,
  states: 2,
  activations: ['sigmoid', 'tanh', 'tanh'],
  step: lstmStep,
  gradient: lstmGradient,
});

/** Appends an LSTM with the attributes and outputs of another node, in simpler ops if its gradient needs them. */
export function appendLstm(g: Builder, input: readonly Value[], like: NodeProto) {
  const output = like.output.map((name) => name && g.fresh('LSTM'));
  const node = Object.assign(nodeOf('LSTM', input, output), { attribute: like.attribute });
  const steps = lstm.as?.lower?.(g, node, attributesOf(node));
  if (steps) return steps;
  g.append(node);
  return output.map((name) => name || undefined);
}

/** Recurrent layers. */
export const recurrent: OpTable = {
  LSTM: lstm,
  GRU: layer({
    gates: 3,
    states: 1,
    activations: ['sigmoid', 'tanh'],
    step: gruStep,
    gradient: gruGradient,
  }),
  RNN: layer({ gates: 1, states: 1, activations: ['tanh'], step: rnnStep, gradient: rnnGradient }),
};
