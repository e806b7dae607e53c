import * as ort from 'onnxruntime-node';
import * as onnx from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { mlp } from '../../../examples/lib/mlp.js';

const disposed = () => {
  const tensor = new ort.Tensor('float32', [1, 2], [1, 2]);
  tensor.dispose();
  return tensor;
};

/** What callers without types may pass, by a name for messages. */
const values: readonly (readonly [string, () => unknown])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['0', () => 0],
  ['NaN', () => NaN],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['Infinity', () => Infinity],
  ["''", () => ''],
  ["'text'", () => 'text'],
  ['true', () => true],
  ['[]', () => []],
  ['[1]', () => [1]],
  ['[null]', () => [null]],
  ["['a']", () => ['a']],
  ['{}', () => ({})],
  ['{ x: null }', () => ({ x: null })],
  ['{ x: 1 }', () => ({ x: 1 })],
  ['{ x: {} }', () => ({ x: {} })],
  ['{ x: without dims }', () => ({ x: { dims: null, data: [1] } })],
  ['{ x: without data }', () => ({ x: { dims: [1], data: null } })],
  ['{ noSuchOption }', () => ({ noSuchOption: 1 })],
  ['a function', () => () => 3],
  ['Uint8Array', () => new Uint8Array(3)],
  ['Float32Array', () => new Float32Array(3)],
  ['a symbol', () => Symbol('s')],
  ['a bigint', () => 10n],
  ['a Map', () => new Map()],
  ['a Promise', () => Promise.resolve(1)],
  ['a tensor', () => new ort.Tensor('float32', [1, 2], [1, 2])],
  ['a disposed tensor', disposed],
];

/** A function with one argument that is wrong. */
type Call = (value: never) => unknown;

/** An argument: what an error about it must name (a pattern), the call, and the values above that are right for it. */
type Row = readonly [argument: string, names: string, call: Call, right?: string];

const objects = '{}|a Map|a Promise';
const options = `undefined|${objects}`;
const numbers = '0|NaN|-1|1.5|Infinity';

/** Words of errors that a check should have prevented. */
const raw =
  /Cannot (read|convert|mix|use|set|destructure)|is not (a function|iterable|a constructor|defined)|Invalid (array|typed)|offset is out|undefined is not|serialize|0 faults|got undefined of/;

const bytes = mlp([2, 3, 1]);
const data = () => ({ x: { data: [1, 2, 3, 4], dims: [2, 2] }, target: { data: [1, 2], dims: [2, 1] } });
const api = onnx as unknown as Record<string, (...args: unknown[]) => unknown>;
const leftOf = (result: unknown) => {
  const either = result as { _tag: string; left: unknown };
  if (either._tag === 'Left') throw either.left;
};

/** Fails unless a wrong value is refused with an error that names the argument. */
async function refuses([argument, names, call, right = '']: Row): Promise<string[]> {
  const complaints: string[] = [];
  for (const [label, make] of values) {
    let error: unknown = 'no error';
    try {
      await call(make() as never);
    } catch (thrown) {
      error = thrown;
    }
    const isRight = right.split('|').includes(label);
    if (error === 'no error') {
      if (!isRight) complaints.push(`${argument} accepts ${label}`);
      continue;
    }
    const text = error instanceof Error ? error.message : String(error);
    const isTyped =
      error instanceof onnx.OnnxError || error instanceof TypeError || error instanceof RangeError;
    if (!isTyped || raw.test(text) || !new RegExp(names).test(text) || text.length < 20)
      complaints.push(`${argument}, given ${label}: ${text}`);
  }
  return complaints;
}

const lossWith =
  (
    use: (
      g: Record<string, (...args: unknown[]) => unknown>,
      context: Record<string, unknown>,
      value: unknown,
    ) => unknown,
  ) =>
  (value: unknown) =>
    api['differentiate'](bytes, {
      loss: (g: never, context: never) =>
        (g as Record<string, (...args: unknown[]) => unknown>)['sumOfAll'](use(g, context, value)),
    });
const outputOf = (context: Record<string, unknown>) => (context['outputs'] as string[])[0];
const optionRows = (
  where: string,
  call: (options: object) => unknown,
  rows: readonly (readonly [option: string, right: string])[],
): Row[] =>
  rows.map(([option, right]) => [
    `${where}: ${option}`,
    `${option}|no value|matches no|model has no|at least one batch`,
    (value) => call({ [option]: value }),
    right,
  ]);

const files: readonly Row[] = [
  [
    'differentiate: bytes',
    'a model must be the bytes|not an ONNX model',
    (v) => api['differentiate'](v, { loss: 'mse' }),
  ],
  ['differentiate: options', 'differentiate', (v) => api['differentiate'](bytes, v)],
  ...optionRows('differentiate', (some) => api['differentiate'](bytes, { loss: 'mse', ...some }), [
    ['wrt', 'undefined|a function'],
    ['output', 'undefined'],
    ['l2', 'undefined|0|1.5'],
    ['precision', 'undefined'],
    ['hessianVector', 'undefined|true'],
    ['target', 'undefined'],
    ['keep', 'undefined|[]'],
    ['freeBatch', 'undefined'],
    ['fix', `undefined|[]|${objects}`],
    ['shapes', `undefined|[]|${objects}`],
    ['dropout', 'undefined'],
    ['noise', 'undefined'],
    ['externalData', `undefined|[]|${objects}`],
  ]),
  ...optionRows('a loss', (some) => api['differentiate'](bytes, { loss: { loss: 'mse', ...some } }), [
    ['loss', ''],
    ['output', 'undefined'],
    ['target', "undefined|'text'"],
    ['weight', 'undefined|0|-1|1.5'],
    ['sampleWeights', 'undefined|true'],
    ['reduction', 'undefined'],
    ['classWeights', 'undefined'],
    ['delta', 'undefined'],
  ]),
  ['a list of losses', 'loss', (v) => api['differentiate'](bytes, { loss: [v] })],
  [
    'a loss that is a graph',
    'loss|not an ONNX model',
    (v) => api['differentiate'](bytes, { loss: { graph: v } }),
  ],
  ['a loss that is an output', 'loss', (v) => api['differentiate'](bytes, { loss: { output: v } })],
  ['what a loss returns', 'loss', (v) => api['differentiate'](bytes, { loss: () => v })],
  ['explain: options', 'explain', (v) => api['explain'](bytes, v), options],
  ['addHead: bytes', 'addHead: a model|not an ONNX model', (v) => api['addHead'](v, { from: 'y', head: 2 })],
  ['addHead: options', 'addHead', (v) => api['addHead'](bytes, v)],
  ...optionRows('addHead', (some) => api['addHead'](bytes, { from: 'x', head: 2, ...some }), [
    ['from', ''],
    ['name', "undefined|'text'"],
    ['keepOutputs', 'undefined|true'],
    ['seed', 'undefined|0|-1'],
  ]),
  ['addHead: head', 'head|no value', (v) => api['addHead'](bytes, { from: 'x', head: v })],
  ['addHead: what the head returns', 'value', (v) => api['addHead'](bytes, { from: 'x', head: () => v })],
  ['freeze: bytes', 'model', (v) => api['freeze'](v, 'x')],
  ['freeze: layers', 'freeze', (v) => api['freeze'](bytes, v), '[]'],
  ['freeze: a list of layers', 'freeze', (v) => api['freeze'](bytes, [v])],
  ['freeze: options', 'freeze', (v) => api['freeze'](bytes, '0', v), options],
  ['lora: bytes', 'lora: a model|not an ONNX model', (v) => api['lora'](v)],
  ['lora: options', 'lora', (v) => api['lora'](bytes, v), options],
  ...optionRows(
    'lora',
    (some) => api['lora'](bytes, some),
    [
      ['rank', 'undefined'],
      ['alpha', 'undefined|1.5'],
      ['layers', 'undefined|[]|a function'],
      ['seed', 'undefined|0|-1'],
    ].map(([name, right]) => [name, right] as const),
  ),
  ['mergeLora: bytes', 'mergeLora|not an ONNX model', (v) => api['mergeLora'](v, onnx.lora(bytes).bytes)],
  ['mergeLora: adapted', 'mergeLora|not an ONNX model', (v) => api['mergeLora'](bytes, v)],
  ['registerVjp: opType', 'registerVjp', (v) => api['registerVjp'](v, () => []), "'text'"],
  [
    'registerVjp: rule',
    'registerVjp',
    (v) => typeof v === 'function' || api['registerVjp']('z::Z', v),
    'a function',
  ],
  ['OnnxError: faults', 'OnnxError', (v) => new onnx.OnnxError(v), '[]|Uint8Array|Float32Array'],
];

const losses: readonly Row[] = [
  ['target: name', 'target', lossWith((g, c, v) => g['sub'](outputOf(c), (c['target'] as Call)(v as never)))],
  [
    'target: like',
    'target',
    lossWith((g, c, v) => g['sub'](outputOf(c), (c['target'] as (...args: unknown[]) => unknown)('t', v))),
  ],
  ['value', 'value', lossWith((_, c, v) => (c['value'] as Call)(v as never))],
  [
    'gradient: of',
    'gradient',
    lossWith((_, c, v) => (c['gradient'] as (...a: unknown[]) => unknown[])(v, ['x'])[0]),
  ],
  [
    'gradient: wrt',
    'gradient|nothing to train|Add',
    lossWith((g, c, v) =>
      g['add'](outputOf(c), (c['gradient'] as (...a: unknown[]) => unknown[])(outputOf(c), v)[0] ?? NaN),
    ),
    '[]',
  ],
  ['add', 'Add', lossWith((g, c, v) => g['add'](outputOf(c), v)), numbers],
  ['op: its name', 'op|nothing to train', lossWith((g, c, v) => g['op'](v, [outputOf(c)]))],
  ['op: inputs', 'Tanh|nothing to train|unknown type', lossWith((g, _, v) => g['op']('Tanh', v))],
  [
    'op: attributes',
    'Tanh',
    lossWith((g, c, v) => g['op']('Tanh', [outputOf(c)], v)),
    `${options}|{ x: 1 }|{ noSuchOption }|a disposed tensor|Uint8Array|Float32Array`,
  ],
  [
    'sum: axes',
    'axes|ReduceSum',
    lossWith((g, c, v) => g['sum'](outputOf(c), v)),
    '[]|[1]|Uint8Array|Float32Array',
  ],
  [
    'reshape: shape',
    'whole numbers|Reshape',
    lossWith((g, c, v) => g['reshape'](outputOf(c), v)),
    '[]|[1]|Uint8Array|Float32Array',
  ],
  [
    'constant: elements',
    'constant',
    lossWith((g, c, v) => g['mul'](outputOf(c), g['constant'](1, [1], v))),
    '[1]',
  ],
];

type Writer = Record<string, (...args: unknown[]) => unknown>;
const network = (): Writer => onnx.graph() as unknown as Writer;
const withInput = (use: (g: Writer, x: unknown) => unknown) => {
  const g = network();
  return use(g, g['input']('x', ['N', 4, 8]));
};
const networks: readonly Row[] = [
  ['graph: options', 'graph', (v) => api['graph'](v), options],
  ...optionRows('graph', (some) => api['graph'](some), [
    ['seed', 'undefined|0|-1'],
    ['precision', 'undefined'],
    ['externalData', `undefined|[]|${objects}`],
  ]),
  ['graph: extend', 'extend|not an ONNX model', (v) => api['graph']({ extend: v }), 'undefined'],
  ['input: name', 'input', (v) => network()['input'](v, ['N', 2]), "'text'"],
  ['input: shape', 'input', (v) => network()['input']('x', v), "[]|[1]|['a']"],
  ['input: type', 'input', (v) => network()['input']('x', ['N'], v), 'undefined'],
  ['weight: name', 'weight', (v) => network()['weight'](v, [2], 1), "'text'"],
  ['weight: shape', 'weight', (v) => network()['weight']('w', v, 1), '[]|[1]'],
  ['weight: values', 'weight', (v) => network()['weight']('w', [2], v), '0|-1|1.5|a function'],
  ['weight: type', 'weight', (v) => network()['weight']('w', [2], 1, v), 'undefined'],
  ['output: name', 'output', (v) => withInput((g, x) => g['output'](v, x)), "'text'"],
  ['output: value', 'output', (v) => withInput((g) => g['output']('y', v))],
  ['removeOutput', 'removeOutput', (v) => network()['removeOutput'](v)],
  ...(
    [
      ['dense', 3, ''],
      ['conv', 3, ''],
      ['embedding', 3, ''],
      ['layerNorm', {}, ''],
      ['batchNorm', {}, ''],
      ['dropout', 0.5, ''],
      ['maxPool', 3, ''],
      ['globalAveragePool', undefined, ''],
      ['flatten', undefined, ''],
      ['gelu', undefined, ''],
      ['softmax', undefined, ''],
      // Elementwise methods take numbers, too.
      ['tanh', undefined, numbers],
      ['matmul', 3, numbers],
    ] as const
  ).map(([method, second, right]): Row => [
    `${method}: x`,
    'value|operand|input 0',
    (v) => network()[method](v, second, method === 'conv' || method === 'embedding' ? 3 : undefined),
    right,
  ]),
  ...(
    [
      ['dense', ''],
      ['embedding', ''],
      ['maxPool', ''],
      ['dropout', 'undefined|0'],
      ['softmax', 'undefined|0|-1'],
      ['layerNorm', options],
      ['batchNorm', options],
    ] as const
  ).map(([method, right]): Row => [
    `${method}: second`,
    method,
    (v) => withInput((g, x) => g[method](x, v, 2)),
    right,
  ]),
  ['conv: filters', 'conv', (v) => withInput((g, x) => g['conv'](x, v, 2))],
  ['conv: kernel', 'conv', (v) => withInput((g, x) => g['conv'](x, 2, v)), '[1]'],
  ['dense: options', 'dense', (v) => withInput((g, x) => g['dense'](x, 2, v)), options],
  ['conv: options', 'conv', (v) => withInput((g, x) => g['conv'](x, 2, 3, v)), options],
  ...optionRows('conv', (some) => withInput((g, x) => g['conv'](x, 2, 3, some)), [
    ['name', "undefined|'text'"],
    ['bias', 'undefined|true'],
    ['stride', 'undefined'],
    ['padding', 'undefined|0'],
    ['dilation', 'undefined'],
    ['groups', 'undefined'],
  ]),
];

const batches: readonly Row[] = [
  ['miniBatches: feeds', 'miniBatches', (v) => api['miniBatches'](v, { batchSize: 1 }), objects],
  [
    'miniBatches: a feed',
    'miniBatches',
    (v) => api['miniBatches']({ x: v }, { batchSize: 1 }),
    'undefined|a tensor',
  ],
  [
    'miniBatches: dims',
    'miniBatches',
    (v) => api['miniBatches']({ x: { data: [1], dims: v } }, { batchSize: 1 }),
    '[1]',
  ],
  [
    'miniBatches: data',
    'miniBatches',
    (v) => api['miniBatches']({ x: { data: v, dims: [1, 3] } }, { batchSize: 1 }),
    'Uint8Array|Float32Array',
  ],
  ['miniBatches: options', 'miniBatches', (v) => api['miniBatches'](data(), v)],
  ...optionRows('miniBatches', (some) => api['miniBatches'](data(), { batchSize: 2, ...some }), [
    ['batchSize', ''],
    ['overlap', 'undefined|0'],
    ['random', 'undefined|a function'],
  ]),
  [
    'miniBatches: what random returns',
    'miniBatches',
    (v) => onnx.miniBatches(data(), { batchSize: 1, random: () => v })(),
    '0',
  ],
  [
    'checkFeeds: ort',
    'checkFeeds',
    (v) =>
      leftOf(
        api['checkFeeds'](v, [{ name: 'x', dtype: 'float32', shape: [1] }], { x: { data: [1], dims: [1] } }),
      ),
  ],
  ['checkFeeds: specs', 'checkFeeds', (v) => leftOf(api['checkFeeds'](ort, v, {})), '[]'],
  [
    'checkFeeds: feeds',
    'feed',
    (v) => leftOf(api['checkFeeds'](ort, [{ name: 'x', dtype: 'float32', shape: [1] }], v)),
  ],
  ['trainable: ort', 'trainable', (v) => api['trainable'](v, bytes, { loss: 'mse' })],
  ['trainable: bytes', 'model', (v) => api['trainable'](ort, v, { loss: 'mse' })],
  ['trainable: options', 'trainable', (v) => api['trainable'](ort, bytes, v)],
  ...(
    [
      ['dropout', 'undefined'],
      ['frozen', 'undefined'],
      ['hessianVector', 'undefined|true'],
      ['keep', 'undefined|[]'],
      ['loss', ''],
      ['target', 'undefined'],
    ] as const
  ).map(([option, right]): Row => [
    `trainable: ${option}`,
    option,
    async (v) =>
      (
        await (api['trainable'](ort, bytes, { loss: 'mse', [option]: v }) as Promise<onnx.OnnxModel>)
      ).dispose(),
    right,
  ]),
  [
    'loadTrainable: options',
    'loadTrainable',
    async (v) => leftOf(await (api['loadTrainable'](ort, bytes, v) as () => Promise<unknown>)()),
  ],
];

describe.each([
  ['of files', files],
  ['of losses', losses],
  ['of networks', networks],
  ['of batches and models', batches],
])('functions %s name a wrong argument, and what is right', (_, rows) => {
  test.each(rows.map((row) => [row[0], row] as const))('%s', async (_argument, row) => {
    expect(await refuses(row)).toEqual([]);
  });
});

test('explain never throws', () => {
  const reports = values.map(([, make]) => onnx.explain(make() as never));
  expect(reports.every(({ faults }) => faults.length > 0 && !raw.test(faults[0].reason))).toBe(true);
});

describe('a model', () => {
  test('names a wrong argument of each of its functions, and is as it was', { timeout: 60_000 }, async () => {
    const model = await onnx.trainable(ort, bytes, { loss: 'mse', hessianVector: true });
    const n = model.params.length;
    const z = () => new Float64Array(n);
    const r = () => new Float64Array(2);
    const problem = model.problem(data());
    const squares = model.leastSquares(data());
    const before = [await problem.fg(problem.p0, z()), model.toBytes()] as const;
    const feed = (part: object) => ({ ...data(), x: { data: [1, 2, 3, 4], dims: [2, 2], ...part } });
    const vectors: Row[] = [
      ['fg: x', 'fg: x', (v) => problem.fg(v, z())],
      ['fg: gradient', 'fg: gradient', (v) => problem.fg(z(), v), 'null'],
      ['evaluate: x', 'evaluate: x', (v) => problem.evaluate(v), 'undefined'],
      ['sampleGradients: x', 'sampleGradients: x', (v) => problem.sampleGradients(v), 'undefined'],
      ['valuesAt: points', 'valuesAt: points', (v) => problem.valuesAt?.(v, r())],
      ['valuesAt: losses', 'valuesAt', (v) => problem.valuesAt?.(new Float64Array(2 * n), v)],
      ['hessianVector: x', 'hessianVector: x', (v) => problem.hessianVector?.(v, z(), z())],
      ['hessianVector: v', 'hessianVector: v', (v) => problem.hessianVector?.(z(), v, z())],
      ['hessianVector: product', 'hessianVector: product', (v) => problem.hessianVector?.(z(), z(), v)],
      ['residuals: x', 'residuals: x', (v) => squares.residuals(v, r(), null)],
      ['residuals: residuals', 'residuals: residuals', (v) => squares.residuals(z(), v, null)],
      ['residuals: jacobian', 'residuals: jacobian', (v) => squares.residuals(z(), r(), v), 'null'],
      ['jacobianVector: v', 'jacobianVector: v', (v) => squares.jacobianVector(z(), v, r())],
      ['jacobianVector: product', 'jacobianVector: product', (v) => squares.jacobianVector(z(), z(), v)],
      ['vectorJacobian: u', 'vectorJacobian: u', (v) => squares.vectorJacobian(z(), v, z())],
      ['vectorJacobian: product', 'vectorJacobian: product', (v) => squares.vectorJacobian(z(), r(), v)],
      ['copyFrom', 'copyFrom', (v) => model.params.copyFrom(v)],
      ['copyInto', 'copyInto', (v) => model.params.copyInto(v)],
    ];
    const feeds: Row[] = [
      ['problem: feeds', 'feed', (v) => model.problem(v), 'a function'],
      ['problem: a batch', 'feed', (v) => model.problem(() => v).fg(z(), z())],
      ['problem: a feed', 'feed', (v) => model.problem({ ...data(), x: v })],
      ['problem: data', 'feed', (v) => model.problem(feed({ data: v }))],
      ['problem: dims', 'feed', (v) => model.problem(feed({ dims: v }))],
      ['problem: type', 'feed', (v) => model.problem(feed({ type: v })), 'undefined'],
      ['problem: options', 'problem', (v) => model.problem(data(), v), options],
      ['problem: seed', 'seed', (v) => model.problem(data(), { seed: v }), 'undefined|0'],
      ['predict: feeds', 'feed', (v) => model.predict(v)],
      ['predict: a feed', 'feed', (v) => model.predict({ x: v }), 'a tensor'],
      ['toBytes: options', 'toBytes', (v) => model.toBytes(v), options],
      ['toBytes: inference', 'toBytes', (v) => model.toBytes({ inference: v }), 'undefined|true'],
      ['leastSquares: feeds', 'feed', (v) => model.leastSquares(v)],
      ['leastSquares: a feed', 'feed', (v) => model.leastSquares({ ...data(), x: v })],
      ['leastSquares: options', 'leastSquares', (v) => model.leastSquares(data(), v), options],
      [
        'leastSquares: residuals',
        'residuals',
        (v) => model.leastSquares(data(), { residuals: v }),
        'undefined',
      ],
      ['leastSquares: their result', 'residuals', (v) => model.leastSquares(data(), { residuals: () => v })],
      ['leastSquares: jacobian', 'jacobian', (v) => model.leastSquares(data(), { jacobian: v }), 'undefined'],
    ];
    const complaints: string[] = [];
    for (const row of [...vectors, ...feeds]) complaints.push(...(await refuses(row)));
    expect(complaints).toEqual([]);
    expect(await problem.fg(problem.p0, z())).toBe(before[0]);
    expect(model.toBytes()).toEqual(before[1]);
    await model.dispose();
  });
});

test('a refused call leaves a network as it was', () => {
  const attempts: ((g: Writer, x: unknown, value: unknown) => unknown)[] = [
    (g, _, v) => g['weight']('w', v, 1),
    (g, _, v) => g['weight']('w', [2], 1, v),
    (g, _, v) => g['weight']('w', [2], v),
    (g, x, v) => g['dense'](x, v),
    (g, _, v) => g['dense'](v, 2),
    (g, x, v) => g['conv'](x, 2, v, { groups: 3 }),
    (g, x, v) => g['conv'](x, 2, 1, v),
    (g, _, v) => g['embedding'](v, 2, 2),
    (g, _, v) => g['op']('Tanh', v),
    (g, x, v) => g['op']('Tanh', [x], v),
    (g, _, v) => g['output']('y', v),
    (g, x) => g['dense'](x, 2, { name: 'b' }),
  ];
  const start = (): [Writer, unknown] => {
    const g = network();
    const x = g['input']('x', ['N', 4, 8]);
    g['weight']('b.bias', [1], 1);
    return [g, x];
  };
  const isRefused = (call: () => unknown) => {
    try {
      call();
      return false;
    } catch {
      return true;
    }
  };
  const write = (tries: boolean): unknown => {
    const [g, x] = start();
    let refused = 0;
    for (const attempt of tries ? attempts : []) {
      for (const [, make] of values) {
        const [other, y] = start();
        if (!isRefused(() => attempt(other, y, make()))) continue;
        expect(isRefused(() => attempt(g, x, make()))).toBe(true);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(tries ? 200 : -1);
    g['output']('z', g['dense'](g['conv'](x, 3, 1), 2));
    return g['toBytes']();
  };
  expect(write(true)).toEqual(write(false));
});
