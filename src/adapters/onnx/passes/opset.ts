import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { fault, refuse, type Fault } from '../ir/errors.ts';
import { attributesOf, nodeAttributes, subgraphsOf, type AttributeValues } from '../ir/attributes.ts';
import { isStandard } from '../ir/domain.ts';
import { range } from '../ir/shape.ts';
import { DType, numbersOf, tensorOf, type TensorProto } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';
import { floatTypeIn } from './precision.ts';
import { faultOf } from './sweep.ts';

/** The opset that all rules are written for; later ones, which change none of what they use, are left alone. */
export const baseOpset = 18;
const oldest = 7;

/** What an upgrade may do: change its node, add constants, put nodes before and after it. */
interface Upgrade {
  readonly node: NodeProto;
  readonly from: number;
  /** The number of axes of a value, if the file tells. */
  readonly rankOf: (value: string) => number | undefined;
  /** The constant tensors of the file. */
  readonly constants: ReadonlyMap<string, TensorProto>;
  readonly integers: (values: readonly number[]) => string;
  readonly floats: (values: readonly number[]) => string;
  readonly scalar: (value: number) => string;
  readonly before: (op: string, inputs: readonly string[], attributes?: AttributeValues) => string;
  readonly after: (op: string, inputs: readonly string[], attributes?: AttributeValues) => void;
}

/** Brings a model of opset 7 or later to opset 18 in place, where that is a matter of form. */
export function upgradeOpset(model: Model): Fault[] {
  const standard = model.opsetImport.find(isStandard);
  if (standard === undefined)
    return [fault('the model imports no opset of ONNX itself; there is nothing to differentiate.')];
  const from = Number(standard.version);
  if (from < oldest)
    return [
      fault(
        `the model is of opset ${from}; the oldest that can be converted is ${oldest}. Export it again, or use onnx.version_converter.`,
      ),
    ];
  const faults: Fault[] = [];
  if (from >= baseOpset) return faults;
  let serial = 0;
  upgradeGraph(model.graph, model.graph, from, faults, (stem) => `opset18/${stem}_${serial++}`);
  standard.version = BigInt(baseOpset);
  if (model.irVersion < 8n) model.irVersion = 8n;
  return faults;
}

const nodeOf = (
  opType: string,
  input: readonly string[],
  output: string,
  attributes: AttributeValues = {},
  name = output,
) =>
  create(NodeProtoSchema, {
    opType,
    name,
    input: [...input],
    output: [output],
    attribute: nodeAttributes(attributes),
  });

function upgradeGraph(
  graph: GraphProto,
  root: GraphProto,
  from: number,
  faults: Fault[],
  name: (stem: string) => string,
): void {
  const nodes: NodeProto[] = [];
  const described = [...graph.input, ...graph.output, ...graph.valueInfo];
  const types = new Map(described.map(({ name, type }) => [name, type?.value]));
  const constants = new Map(
    [...root.initializer, ...graph.initializer].map((tensor) => [tensor.name, tensor]),
  );
  const rankOf = (value: string) => {
    const type = types.get(value);
    return type?.case === 'tensorType' ? type.value.shape?.dim.length : undefined;
  };
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) upgradeGraph(subgraph, root, from, faults, name);
    const later: NodeProto[] = [];
    const constant = (dtype: DType, shape: number[], values: readonly number[]) => {
      const tensor = tensorOf(name('constant'), dtype, shape, values);
      root.initializer.push(tensor);
      return tensor.name;
    };
    const upgrade: Upgrade = {
      node,
      from,
      rankOf,
      constants,
      integers: (values) => constant(DType.INT64, [values.length], values),
      floats: (values) => constant(DType.FLOAT, [values.length], values),
      scalar: (value) => constant(floatTypeIn(root), [], [value]),
      before(op, inputs, attributes) {
        const output = name(op);
        nodes.push(nodeOf(op, inputs, output, attributes));
        return output;
      },
      after(op, inputs, attributes) {
        const made = node.output[0];
        const inner = name(node.opType);
        node.output[0] = inner;
        later.push(nodeOf(op, [inner, ...inputs], made, attributes, inner));
      },
    };
    if (isStandard(node)) {
      try {
        upgrades.get(node.opType)?.(upgrade);
      } catch (error) {
        faults.push(faultOf(node, error));
      }
    }
    nodes.push(node, ...later);
  }
  graph.node = nodes;
}

/** Takes an attribute off a node. */
function drop(node: NodeProto, ...names: readonly string[]): void {
  node.attribute = node.attribute.filter(({ name }) => !names.includes(name));
}

/** An attribute that became input i. */
const toInput =
  (attribute: string, i: number): ((u: Upgrade) => void) =>
  ({ node, integers }) => {
    const values = attributesOf(node).ints(attribute);
    if (values === undefined) return;
    node.input[i] = integers(values);
    drop(node, attribute);
  };

/** Before opset 13, Softmax took everything from its axis on as one. */
function softmax({ node, from, rankOf, before, after }: Upgrade): void {
  if (from >= 13) return;
  const axis = attributesOf(node).int('axis', 1);
  drop(node, 'axis');
  node.attribute.push(...nodeAttributes({ axis: -1 }));
  const [x] = node.input;
  const rank = rankOf(x) ?? rankOf(node.output[0]);
  if (axis === -1 || axis + 1 === rank) return;
  const shape = before('Shape', [x]);
  node.input[0] = before('Flatten', [x], { axis });
  after('Reshape', [shape], { allowzero: 1 });
}

function clip({ node, from, scalar }: Upgrade): void {
  if (from >= 11) return;
  const attributes = attributesOf(node);
  if (attributes.has('min')) node.input[1] = scalar(attributes.float('min', 0));
  if (attributes.has('max')) node.input[2] = scalar(attributes.float('max', 0));
  node.input = Array.from(node.input, (input) => input ?? '');
  drop(node, 'min', 'max');
}

function pad({ node, from, integers, scalar }: Upgrade): void {
  if (from >= 11) return;
  const attributes = attributesOf(node);
  node.input[1] = integers(attributes.ints('pads') ?? []);
  if (attributes.has('value')) node.input[2] = scalar(attributes.float('value', 0));
  drop(node, 'pads', 'value');
}

function slice({ node, from, integers }: Upgrade): void {
  if (from >= 10) return;
  const attributes = attributesOf(node);
  const starts = attributes.ints('starts') ?? [];
  const vectors = [starts, attributes.ints('ends') ?? [], attributes.ints('axes') ?? range(starts.length)];
  node.input.push(...vectors.map(integers));
  drop(node, 'starts', 'ends', 'axes');
}

function topK({ node, from, integers }: Upgrade): void {
  if (from >= 10) return;
  node.input[1] = integers([attributesOf(node).int('k', 1)]);
  drop(node, 'k');
}

function split(u: Upgrade): void {
  toInput('split', 1)(u);
  if (!u.node.input[1]) u.node.attribute.push(...nodeAttributes({ num_outputs: u.node.output.length }));
}

/**
 * Resize of opset 10 and Upsample: nearest neighbors were floor(i / scale) where an axis grew, and in ONNX Runtime
 * ceil(i / scale) where it shrank. An axis does one or the other, so the two are done one after the other.
 */
function upsample({ node, from, constants, floats, before }: Upgrade): void {
  if (node.opType === 'Resize' && from >= 11) return;
  const [x, scales] = node.input;
  if (!scales)
    refuse('Upsample with its scales as an attribute is not converted; export with opset 9 or later.');
  const nearest = attributesOf(node).string('mode', 'nearest') === 'nearest';
  const known = constants.get(scales);
  const factors = known && numbersOf(known);
  const grows = !nearest || node.opType === 'Upsample' || (factors?.every((factor) => factor >= 1) ?? false);
  const shrinks = !grows && (factors?.every((factor) => factor <= 1) ?? false);
  const rule = { coordinate_transformation_mode: 'asymmetric', nearest_mode: grows ? 'floor' : 'ceil' };
  const both = !grows && !shrinks;
  const larger = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  const grown = both ? before('Resize', [x, '', before('Max', [scales, floats([1])])], larger) : x;
  node.opType = 'Resize';
  node.input = [grown, '', both ? before('Min', [scales, floats([1])]) : scales];
  node.attribute.push(...nodeAttributes(rule));
}

function batchNormalization({ node, from }: Upgrade): void {
  if (from >= 14) return;
  if (from < 9 && attributesOf(node).int('spatial', 1) !== 1) refuse('spatial = 0 is not converted.');
  drop(node, 'spatial');
  // Until opset 13 the number of outputs told training from inference.
  if (node.output.filter((output) => output !== '').length > 1) {
    node.output.length = Math.min(3, node.output.length);
    node.attribute.push(...nodeAttributes({ training_mode: 1 }));
  }
}

function dropout({ node, from }: Upgrade): void {
  if (from < 12) drop(node, 'ratio');
}

const reductions = ['Max', 'Mean', 'Min', 'L1', 'L2', 'LogSum', 'LogSumExp', 'Prod', 'SumSquare', 'Sum'];

const upgrades = new Map<string, (u: Upgrade) => void>([
  ...reductions.map((kind): [string, (u: Upgrade) => void] => [`Reduce${kind}`, toInput('axes', 1)]),
  ['Squeeze', toInput('axes', 1)],
  ['Unsqueeze', toInput('axes', 1)],
  ['Split', split],
  ['Softmax', softmax],
  ['LogSoftmax', softmax],
  ['Hardmax', softmax],
  ['Clip', clip],
  ['Pad', pad],
  ['Slice', slice],
  ['TopK', topK],
  ['Upsample', upsample],
  ['Resize', upsample],
  ['BatchNormalization', batchNormalization],
  ['Dropout', dropout],
  ['Scatter', ({ node }) => void (node.opType = 'ScatterElements')],
  ['Scan', ({ from }) => from < 9 && refuse('Scan of opset 8 is not converted.')],
]);
