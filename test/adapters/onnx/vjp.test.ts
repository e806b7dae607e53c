import * as fc from 'fast-check';
import type { LossFunction } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { isDifferentiable, ops } from '../../../src/adapters/onnx/ops/index.ts';
import { elementwiseCases } from './cases/elementwise.ts';
import { expansionCases } from './cases/expansions.ts';
import { layerCases } from './cases/layers.ts';
import { keptCases, regionCases } from './cases/regions.ts';
import { shapeCases } from './cases/shapes.ts';
import type { Case } from './cases/arbitrary.ts';
import { checkGradients, weighted } from './harness.ts';

const cases = new Map([
  ...elementwiseCases,
  ...shapeCases,
  ...layerCases,
  ...expansionCases,
  ...regionCases,
  ...keptCases,
]);
const numRuns = Number(process.env['ONNX_VJP_RUNS'] ?? 15);
const seed = Number(process.env['ONNX_VJP_SEED'] ?? 20_251);

/** The gradient of the squared loss, itself made a loss: right only if every rule's own nodes have right rules. */
const gradientOf =
  (wrt: readonly string[]): LossFunction =>
  (g, context) => {
    const gradients = context.gradient(g.square(weighted(g, context)), wrt);
    const [first, ...others] = gradients.map((gradient) => weighted(g, { ...context, outputs: [gradient] }));
    return g.add(first, ...others);
  };

test('every op with a gradient has a case', () => {
  const without = [...ops.keys()].filter(
    (op) => isDifferentiable(op) && !cases.has(op) && !flat.has(op) && !elsewhere.has(op),
  );
  expect(without).toEqual([]);
});

/** Ops that give no gradient to anything. */
const flat = new Set(
  'RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli Multinomial EyeLike Hardmax MelWeightMatrix ai.onnx.ml::TreeEnsemble ai.onnx.ml::TreeEnsembleRegressor ai.onnx.ml::TreeEnsembleClassifier'.split(
    ' ',
  ),
);

/** Rules whose cases are spelled out, in dynamicQuantization.test.ts, quantizedForms.test.ts, opForms.test.ts, ownOps.test.ts, newOps.test.ts, moreOps.test.ts, signalOps.test.ts, nested.test.ts and fedArguments.test.ts. */
const elsewhere = new Set(
  `Range MaxUnpool MeanVarianceNormalization OptionalGetElement AffineGrid CausalConvWithState Col2Im DFT DeformConv LinearAttention STFT TensorScatter CenterCropPad CumProd ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger NegativeLogLikelihoodLoss QuantizeLinear RotaryEmbedding SoftmaxCrossEntropyLoss
   com.microsoft::GroupQueryAttention com.microsoft::RotaryEmbedding ai.onnx.ml::LinearClassifier ai.onnx.ml::LinearRegressor ai.onnx.ml::Normalizer
   ai.onnx.ml::ArrayFeatureExtractor ai.onnx.ml::Binarizer ai.onnx.ml::FeatureVectorizer ai.onnx.ml::Imputer
   com.microsoft::BiasAdd com.microsoft::BiasSoftmax com.microsoft::DequantizeLinear com.microsoft::ExpandDims com.microsoft::GatherND
   com.microsoft::NhwcConv com.microsoft::NhwcFusedConv com.microsoft::QuantizeLinear com.microsoft::Trilu
   QLinearConv QLinearMatMul com.microsoft::QLinearConv com.microsoft::QGemm com.microsoft::QLinearAdd com.microsoft::QLinearMul
   com.microsoft::QLinearSigmoid com.microsoft::QLinearLeakyRelu com.microsoft::QLinearSoftmax com.microsoft::QLinearAveragePool
   com.microsoft::QLinearGlobalAveragePool com.microsoft::QLinearConcat com.microsoft::QLinearWhere com.microsoft::QAttention
   com.microsoft::DynamicQuantizeMatMul com.microsoft::MatMulIntegerToFloat com.microsoft::DynamicQuantizeLSTM com.microsoft::Inverse
   com.microsoft::MatMulInteger16 com.microsoft::MatMulBnb4 com.microsoft::MoE com.microsoft::QMoE com.microsoft::Pad com.microsoft::GridSample
   com.microsoft::Range com.microsoft::CausalConvWithState com.microsoft::LinearAttention ai.onnx.ml::SVMRegressor ai.onnx.ml::SVMClassifier
   com.microsoft::SampleOp com.microsoft::Unique com.microsoft::ConvTransposeWithDynamicPads com.microsoft::CropAndResize
   com.microsoft::UnfoldTensor com.microsoft::GatedAdd com.microsoft::GatedRMSNorm com.microsoft::LinearAttentionGate
   ConcatFromSequence SequenceAt SequenceLength
   ai.onnx.ml::OneHotEncoder ai.onnx.ml::Scaler`.split(/\s+/),
);

describe.each([...cases])('%s', (_op, drawn: fc.Arbitrary<Case>) => {
  test('its gradient is that of central differences', async () => {
    const property = fc.asyncProperty(drawn, ({ inputs, build, options }) =>
      checkGradients(inputs, build, options),
    );
    await expect(fc.assert(property, { numRuns, seed })).resolves.toBeUndefined();
  });

  test('so is the gradient of its gradient', async () => {
    const property = fc.asyncProperty(drawn, async ({ inputs, build, options, twice = true }) => {
      if (!twice) return;
      const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
      await checkGradients(inputs, build, { ...options, loss: gradientOf(wrt), tolerance: 1e-6 });
    });
    await expect(fc.assert(property, { numRuns: Math.ceil(numRuns / 2), seed })).resolves.toBeUndefined();
  });
});
