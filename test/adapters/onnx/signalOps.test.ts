import { InferenceSession } from 'onnxruntime-node';
import { differentiate } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { check, real, whole } from './againstKernels.ts';
import { checkGradients, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

describe('Fourier transforms', () => {
  test.each([
    { parts: 1, axis: 1, attributes: {} },
    { parts: 1, axis: -2, attributes: { onesided: 1 } },
    { parts: 2, axis: 1, attributes: {} },
    { parts: 2, axis: 2, attributes: { inverse: 1 } },
  ])('DFT of $parts part(s) along axis $axis, $attributes', async ({ parts, axis, attributes }) => {
    const build: Build = (g, { x }) =>
      g.op('DFT', [x, undefined, g.reshape(g.integers([axis]), [])], attributes);
    await expect(check({ x: real(1, 2, 5, 4, parts) }, build)).resolves.toBeUndefined();
  });

  test.each([3, 8])('DFT of 5 samples cut or padded to %i', async (length) => {
    const build: Build = (g, { x }) =>
      g.op('DFT', [x, g.reshape(g.integers([length]), []), g.reshape(g.integers([1]), [])]);
    await expect(check({ x: real(1, 2, 5, 1) }, build)).resolves.toBeUndefined();
  });

  test('DFT of opset 17 runs along axis 1 by default', async () => {
    const build: Build = (g, { x }) => g.op('DFT', [x]);
    await expect(check({ x: real(1, 2, 5, 3, 1) }, build, 17)).resolves.toBeUndefined();
    await expect(check({ x: real(1, 2, 5, 3, 2) }, build, 19)).resolves.toBeUndefined();
  });

  test('DFT keeps its digits at 4,099 samples in float32', async () => {
    const x = real(1, 1, 4099, 1);
    const build: Build = (g, { x }) =>
      g.slice(g.op('DFT', [x, undefined, g.reshape(g.integers([1]), [])]), 4000, 4001, 1);
    const bytes = modelOf({ x }, build, { precision: 'float32', opset: 23 });
    const graph = differentiate(bytes, {
      loss: (g, { outputs: [y] }) => g.sumOfAll(y),
      wrt: ['x'],
      keep: ['y'],
    });
    const session = await InferenceSession.create(graph, quiet);
    const { y } = await session.run(feedsOf({ x }, 'float32'));
    await session.release();
    const sum = (wave: (angle: number) => number) =>
      x.values.reduce((s, v, n) => s + Math.fround(v) * wave((-2 * Math.PI * ((4000 * n) % 4099)) / 4099), 0);
    expect(y.data[0]).toBeCloseTo(sum(Math.cos), 3);
    expect(y.data[1]).toBeCloseTo(sum(Math.sin), 3);
  });

  test.each([0, 1])('STFT of overlapping windowed frames, one-sided: %i', async (onesided) => {
    const window: Input = { shape: [6], values: [0.1, 0.6, 1, 1, 0.6, 0.1] };
    const build: Build = (g, { x, window }) =>
      g.op('STFT', [x, g.reshape(g.integers([2]), []), window], { onesided });
    await expect(check({ x: real(1, 2, 15, 1), window }, build)).resolves.toBeUndefined();
  });
});

describe('ops that move pixels', () => {
  test.each([{}, { dilations: [1, 2] }, { strides: [2, 1], pads: [1, 0, 1, 2] }])(
    'Col2Im with %o',
    async (attributes) => {
      const [dilations, strides, pads] = [
        attributes.dilations ?? [1, 1],
        attributes.strides ?? [1, 1],
        attributes.pads ?? [0, 0, 0, 0],
      ];
      const positions = [5, 6].map((size, i) =>
        Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * ([2, 3][i] - 1) - 1) / strides[i] + 1),
      );
      const x = real(1, 2, 3 * 6, positions[0] * positions[1]);
      const build: Build = (g, { x }) =>
        g.op('Col2Im', [x, g.integers([5, 6]), g.integers([2, 3])], attributes);
      await expect(check({ x }, build)).resolves.toBeUndefined();
    },
  );

  test.each([0, 1])('AffineGrid of two and three axes, align_corners: %i', async (corners) => {
    const attributes = { align_corners: corners };
    const flat: Build = (g, { theta }) => g.op('AffineGrid', [theta, g.integers([2, 1, 3, 4])], attributes);
    const solid: Build = (g, { theta }) =>
      g.op('AffineGrid', [theta, g.integers([2, 1, 3, 4, 2])], attributes);
    await expect(check({ theta: real(1, 2, 2, 3) }, flat)).resolves.toBeUndefined();
    await expect(check({ theta: real(2, 2, 3, 4) }, solid)).resolves.toBeUndefined();
  });

  test('DeformConv with groups, a bias and a mask', async () => {
    const inputs = {
      x: real(1, 2, 4, 5, 6),
      w: real(2, 6, 2, 2, 3),
      offset: real(3, 2, 2 * 6 * 2, 3, 3),
      b: real(4, 6),
      mask: real(5, 2, 2 * 6, 3, 3),
    };
    const build: Build = (g, { x, w, offset, b, mask }) =>
      g.op('DeformConv', [x, w, offset, b, mask], {
        kernel_shape: [2, 3],
        group: 2,
        offset_group: 2,
        strides: [2, 2],
        pads: [1, 1, 0, 1],
      });
    await expect(check(inputs, build, 22)).resolves.toBeUndefined();
  });

  test('DeformConv with offsets of whole pixels far outside reads zeros', async () => {
    const offset: Input = {
      shape: [1, 8, 2, 2],
      values: Array.from({ length: 32 }, (_, i) => 3.3 * (i % 5) - 6.4),
    };
    const inputs = { x: real(1, 1, 2, 3, 3), w: real(2, 2, 2, 2, 2), offset };
    const build: Build = (g, { x, w, offset }) =>
      g.op('DeformConv', [x, w, offset], { kernel_shape: [2, 2] });
    await expect(check(inputs, build, 22)).resolves.toBeUndefined();
  });

  const modes = ['linear', 'nearest', 'cubic'].flatMap((mode) =>
    ['zeros', 'border', 'reflection'].flatMap((padding) =>
      [0, 1].map((corners) => ({ mode, padding, corners })),
    ),
  );
  test.each(modes)(
    'GridSample, $mode, $padding, align_corners: $corners',
    async ({ mode, padding, corners }) => {
      // Far outside on both sides, and never between two pixels of equal distance.
      const values = Array.from({ length: 24 }, (_, i) => 2.7 * Math.sin(3.1 * i + 0.4));
      const grid: Input = { shape: [1, 3, 4, 2], values };
      const attributes = { mode, padding_mode: padding, align_corners: corners };
      const build: Build = (g, { x, grid }) => g.op('GridSample', [x, grid], attributes);
      await expect(check({ x: real(1, 1, 2, 4, 5), grid }, build, 20)).resolves.toBeUndefined();
    },
  );

  test('LpPool with dilations', async () => {
    const build: Build = (g, { x }) =>
      g.op('LpPool', [x], { kernel_shape: [2, 2], dilations: [2, 1], p: 3, pads: [1, 0, 1, 0] });
    await expect(check({ x: real(1, 1, 2, 5, 4) }, build)).resolves.toBeUndefined();
  });
});

describe('ops with a state', () => {
  test.each(['linear', 'circular'])('TensorScatter, %s', async (mode) => {
    const inputs = {
      past: real(1, 2, 3, 4, 2),
      update: real(2, 2, 3, 2, 2),
      at: whole([2], [1, mode === 'linear' ? 2 : 3]),
    };
    const build: Build = (g, { past, update, at }) => g.op('TensorScatter', [past, update, at], { mode });
    await expect(check(inputs, build, 24)).resolves.toBeUndefined();
  });

  /** Values of a model that ONNX Runtime itself may not know, by its gradient graph. */
  async function valuesOf(inputs: Readonly<Record<string, Input>>, build: Build): Promise<number[]> {
    const bytes = modelOf(inputs, build, { opset: 23 });
    const loss = { loss: (g, { outputs: [y] }) => g.sumOfAll(y), keep: ['y'] } satisfies Parameters<
      typeof differentiate
    >[1];
    const session = await InferenceSession.create(
      differentiate(bytes, { ...loss, wrt: Object.keys(inputs) }),
      quiet,
    );
    const { y } = await session.run(feedsOf(inputs, 'float64'));
    await session.release();
    return Array.from(y.data as Float64Array);
  }

  const expectClose = (got: readonly number[], wanted: readonly number[]) => {
    expect(got.length).toBe(wanted.length);
    wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 10));
  };

  test.each([
    ['none', 3, true],
    ['silu', 3, false],
    ['none', 1, false],
  ])(
    'CausalConvWithState equals its plain sum: activation %s, kernel %i, past: %o',
    async (activation, size, past) => {
      const inputs = {
        x: real(1, 2, 3, 4),
        w: real(2, 3, 1, size),
        b: real(3, 3),
        ...(past && { state: real(4, 2, 3, size - 1) }),
      };
      const build: Build = (g, { x, w, b, state }) => {
        const outputs = g.ops('CausalConvWithState', [x, w, b, state], { activation }, 2);
        return g.concat(
          outputs.map((output) => g.flat(output)),
          0,
        );
      };
      const lines = Array.from({ length: 6 }, (_, row) => [
        ...(past
          ? (inputs.state?.values.slice((size - 1) * row, (size - 1) * (row + 1)) ?? [])
          : Array<number>(size - 1).fill(0)),
        ...inputs.x.values.slice(4 * row, 4 * row + 4),
      ]);
      const y = lines.flatMap((line, row) =>
        Array.from({ length: 4 }, (_, t) => {
          const taps = inputs.w.values.slice((row % 3) * size, (row % 3) * size + size);
          const v = taps.reduce((s, tap, k) => s + tap * line[t + k], inputs.b.values[row % 3]);
          return activation === 'silu' ? v / (1 + Math.exp(-v)) : v;
        }),
      );
      expectClose(await valuesOf(inputs, build), [
        ...y,
        ...lines.flatMap((line) => (size > 1 ? line.slice(1 - size) : [])),
      ]);
      await expect(checkGradients(inputs, build, { opset: 23 })).resolves.toBeUndefined();
    },
  );

  /** S ← decay·S + k ⊗ learned, o = scale·Sᵀq, one step and head after the other. */
  function plainLinearAttention(
    rule: string,
    inputs: Readonly<Record<string, Input>>,
    queries: number,
    heads: number,
  ) {
    const [batch, length, dk, dv] = [2, 3, 2, 3];
    const at = (name: string, b: number, t: number, i: number) =>
      inputs[name].values[(b * length + t) * inputs[name].shape[2] + i];
    const outputs: number[] = [];
    const states: number[] = [];
    for (let b = 0; b < batch; b++) {
      const out = Array.from({ length }, () => Array<number>(queries * dv).fill(0));
      for (let h = 0; h < heads; h++) {
        let S = Array.from({ length: dk }, (_, i) =>
          Array.from({ length: dv }, (_, j) => inputs['past'].values[((b * heads + h) * dk + i) * dv + j]),
        );
        for (let t = 0; t < length; t++) {
          const k = Array.from({ length: dk }, (_, i) => at('k', b, t, h * dk + i));
          const v = Array.from({ length: dv }, (_, j) => at('v', b, t, h * dv + j));
          if (rule.startsWith('gated'))
            S = S.map((row, i) => row.map((s) => s * Math.exp(at('decay', b, t, h * dk + i))));
          const known = v.map((_, j) => k.reduce((s, ki, i) => s + ki * S[i][j], 0));
          const learned = rule.endsWith('delta')
            ? v.map((vj, j) => at('beta', b, t, h) * (vj - known[j]))
            : v;
          S = S.map((row, i) => row.map((s, j) => s + k[i] * learned[j]));
          for (let q = (h * queries) / heads; q < ((h + 1) * queries) / heads; q++)
            for (let j = 0; j < dv; j++)
              for (let i = 0; i < dk; i++)
                out[t][q * dv + j] += (S[i][j] * at('q', b, t, q * dk + i)) / Math.sqrt(dk);
        }
        states.push(...S.flat());
      }
      outputs.push(...out.flat());
    }
    return [...outputs, ...states];
  }

  test.each(['linear', 'gated', 'delta', 'gated_delta'])(
    'LinearAttention equals its plain recurrence: %s',
    async (rule) => {
      const [queries, heads] = [4, 2];
      const inputs = {
        q: real(1, 2, 3, queries * 2),
        k: real(2, 2, 3, heads * 2),
        v: real(3, 2, 3, heads * 3),
        past: real(4, 2, heads, 2, 3),
        ...(rule.startsWith('gated') && { decay: real(5, 2, 3, heads * 2) }),
        ...(rule.endsWith('delta') && { beta: real(6, 2, 3, heads) }),
      };
      const attributes = { update_rule: rule, q_num_heads: queries, kv_num_heads: heads };
      const build: Build = (g, { q, k, v, past, decay, beta }) => {
        const outputs = g.ops('LinearAttention', [q, k, v, past, decay, beta], attributes, 2);
        return g.concat(
          outputs.map((output) => g.flat(output)),
          0,
        );
      };
      expectClose(await valuesOf(inputs, build), plainLinearAttention(rule, inputs, queries, heads));
      await expect(checkGradients(inputs, build, { opset: 23 })).resolves.toBeUndefined();
    },
  );

  test('LinearAttention without what its rule needs is refused', () => {
    const inputs = { q: real(1, 1, 2, 4), k: real(2, 1, 2, 4), v: real(3, 1, 2, 4) };
    const build: Build = (g, { q, k, v }) => g.op('LinearAttention', [q, k, v], { update_rule: 'gated' });
    const bytes = modelOf(inputs, build, { opset: 23 });
    expect(() => differentiate(bytes, { loss: 'mse', wrt: ['q'] })).toThrow(
      'update_rule gated needs a decay',
    );
  });
});

describe('Attention of opset 24', () => {
  const inputs = { q: real(1, 2, 2, 3, 4), k: real(2, 2, 2, 5, 4), v: real(3, 2, 2, 5, 4) };

  test.each([0, 1])(
    'Attention with lengths of the keys has the right gradient, causal: %i',
    async (causal) => {
      const lengths = whole([2], [4, 3]);
      const build: Build = (g, { q, k, v, lengths }) =>
        g.op('Attention', [q, k, v, undefined, undefined, undefined, lengths], { is_causal: causal });
      await expect(check({ ...inputs, lengths }, build, 24)).resolves.toBeUndefined();
    },
  );

  test.each([0, 1, 2, 3])('shows its scores at stage %i, softcap before the mask', async (mode) => {
    const mask = real(4, 3, 5);
    const build: Build = (g, { q, k, v, mask }) =>
      g.concat(
        g
          .ops('Attention', [q, k, v, mask], { qk_matmul_output_mode: mode, softcap: 1.5 }, 4)
          .filter((_, i) => i === 0 || i === 3)
          .map((output) => g.flat(output)),
        0,
      );
    await expect(check({ ...inputs, mask }, build, 23)).resolves.toBeUndefined();
  });

  test('Attention of opset 24 shares heads whose numbers are not known beforehand', async () => {
    const shared = { ...inputs, q: real(1, 2, 4, 3, 4) };
    const build: Build = (g, { q, k, v }) => g.op('Attention', [q, k, v]);
    await expect(checkGradients(shared, build, { opset: 23, dynamic: true })).resolves.toBeUndefined();
  });

  test('a mask of fewer keys than there are is refused', () => {
    const short = { ...inputs, mask: real(4, 3, 1) };
    const bytes = modelOf(short, (g, { q, k, v, mask }) => g.op('Attention', [q, k, v, mask]), { opset: 24 });
    expect(() => differentiate(bytes, { loss: 'mse', wrt: ['q'] })).toThrow(
      'a mask of 1 keys for 5 has no rule; pad it',
    );
  });
});
