import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';
import type { Cotangents, VjpContext } from '../ir/vjp.ts';
import { zeroState } from './recurrentSteps.ts';

/** One direction of a layer: sequences are `[T, B, …]`, states `[B, H]`. */
interface Direction {
  readonly g: Builder;
  readonly hidden: number;
  /** Recurrent weights `[k·H, H]`, the k gates one below the other. */
  readonly R: Value;
  /** Terms of the gates that come from the input, `[T, B, k·H]`. */
  readonly fromInput: Value;
  /** Terms of the gates that come from the previous state, `[T, B, k·H]`. */
  readonly fromState: Value;
  /** Bias in `fromState`, `[k·H]`. */
  readonly stateBias: Value | undefined;
  /** Hidden states, `[T, B, H]`. */
  readonly Y: Value;
  /** State before each step, `[T, B, H]`. */
  readonly before: Value;
  readonly initialCell: Value;
  /** Cotangents of the hidden states. */
  readonly dY: Value;
  /** Cotangents of the last hidden state and cell. */
  readonly dLast: Value;
  readonly dLastCell: Value;
  /** True if time runs from the last slice to the first. */
  readonly reverse: boolean;
  /** Returns the element before each step of a sequence; `initial` at the first step. */
  readonly shift: (sequence: Value, initial: Value) => Value;
  readonly attributes: Attributes;
}

/** Cotangents inside a cell. */
interface CellCotangents {
  /** Cotangents of the terms from the input, `[T, B, k·H]`. */
  readonly input: Value;
  /** Cotangents of the terms from the previous state, `[T, B, k·H]`. */
  readonly state: Value;
  readonly dR: Value;
  readonly dInitial: Value;
  readonly dInitialCell?: Value;
}

/** The gradient of a recurrent cell. */
export type Cell = (direction: Direction) => CellCotangents;

const complement = (g: Builder, x: Value) => g.sub(1, x);

/** y·(1 − y) and 1 − y²: the slopes of y = sigmoid and y = tanh. */
const sigmoidSlope = (g: Builder, y: Value) => g.mul(y, complement(g, y));

const tanhSlope = (g: Builder, y: Value) => complement(g, g.square(y));

/** Splits `[T, B, k·H]` into k gates. */
const gatesOf = ({ g, hidden }: Direction, gates: Value, k: number) =>
  g.split(gates, range(k).fill(hidden), -1);

/** Reshapes `[T, B, n]` to rows, `[T·B, n]`. */
const rows = (g: Builder, x: Value) => g.reshape(x, g.concat([g.integers([-1]), g.sizes(x, [2])], 0));

/** aᵀ·b over all steps and batches. */
const outer = (g: Builder, a: Value, b: Value) => g.gemm(rows(g, a), rows(g, b), { transA: true });

/** y = f(z): only the state. */
export const rnnGradient: Cell = (direction) => {
  const { g, R, Y, before, dY, dLast, reverse, attributes } = direction;
  const relu = attributes.strings('activations')?.[0].toLowerCase() === 'relu';
  const slope = relu ? g.mask(g.greater(Y, 0), Y) : tanhSlope(g, Y);
  const inputs = { states: [dLast], sequences: [dY, slope], captured: [R], backward: !reverse };
  const { states, results } = scan(g, inputs, (s, [dh], [dy, k]) => {
    const dz = s.mul(s.add(dy, dh), k);
    return { states: [s.matmul(dz, R)], results: [dz] };
  });
  const [dz] = results;
  return { input: dz, state: dz, dR: outer(g, dz, before), dInitial: states[0] };
};

/** c = f·c' + i·g, y = o·tanh c; gates in the order i, o, f, g. */
export const lstmGradient: Cell = (direction) => {
  const { g, R, before, initialCell, dY, dLast, dLastCell, reverse } = direction;
  const z = gatesOf(direction, g.add(direction.fromInput, direction.fromState), 4);
  const [i, o, f] = z.slice(0, 3).map((gate) => g.sigmoid(gate));
  const n = g.tanh(z[3]);
  const forward = { states: [initialCell], sequences: [f, g.mul(i, n)], captured: [], backward: reverse };
  const cells = scan(g, forward, (s, [c], [forget, added]) => {
    const next = s.add(s.mul(forget, c), added);
    return { states: [next], results: [next] };
  }).results[0];
  const cellBefore = direction.shift(cells, initialCell);
  const squashed = g.tanh(cells);
  const toCell = g.mul(o, tanhSlope(g, squashed));
  // Derivatives of c, or of h for gate o, by each gate's input.
  const slopes = [
    g.mul(n, sigmoidSlope(g, i)),
    g.mul(squashed, sigmoidSlope(g, o)),
    g.mul(cellBefore, sigmoidSlope(g, f)),
    g.mul(i, tanhSlope(g, n)),
  ];
  const back = {
    states: [dLast, dLastCell],
    sequences: [dY, toCell, f, ...slopes],
    captured: [R],
    backward: !reverse,
  };
  const { states, results } = scan(g, back, (s, [dhNext, dcNext], [dy, k, forget, ki, ko, kf, kn]) => {
    const dh = s.add(dy, dhNext);
    const dc = s.add(dcNext, s.mul(dh, k));
    const dz = s.concat([s.mul(dc, ki), s.mul(dh, ko), s.mul(dc, kf), s.mul(dc, kn)], 1);
    return { states: [s.matmul(dz, R), s.mul(dc, forget)], results: [dz] };
  });
  const [dz] = results;
  return { input: dz, state: dz, dR: outer(g, dz, before), dInitial: states[0], dInitialCell: states[1] };
};

/** y = (1 − z)·n + z·y'; gates in the order z, r, n, where r scales the contribution of the state to n. */
export const gruGradient: Cell = (direction) =>
  direction.attributes.int('linear_before_reset', 0) === 1
    ? gruResetAfter(direction)
    : gruResetBefore(direction);

/** n = tanh(x + r·(R·y')). */
const gruResetAfter: Cell = (direction) => {
  const { g, R, before, dY, dLast, reverse } = direction;
  const [xz, xr, xn] = gatesOf(direction, direction.fromInput, 3);
  const [hz, hr, hn] = gatesOf(direction, direction.fromState, 3);
  const [z, r] = [g.sigmoid(g.add(xz, hz)), g.sigmoid(g.add(xr, hr))];
  const n = g.tanh(g.add(xn, g.mul(r, hn)));
  const kn = g.mul(complement(g, z), tanhSlope(g, n));
  const slopes = [
    g.mul(g.sub(before, n), sigmoidSlope(g, z)),
    g.mul(kn, hn, sigmoidSlope(g, r)),
    kn,
    g.mul(kn, r),
  ];
  const back = { states: [dLast], sequences: [dY, z, ...slopes], captured: [R], backward: !reverse };
  const { states, results } = scan(g, back, (s, [dhNext], [dy, zt, kz, kr, kN, knr]) => {
    const dh = s.add(dy, dhNext);
    const [az, ar] = [s.mul(dh, kz), s.mul(dh, kr)];
    const state = s.concat([az, ar, s.mul(dh, knr)], 1);
    return {
      states: [s.add(s.mul(dh, zt), s.matmul(state, R))],
      results: [s.concat([az, ar, s.mul(dh, kN)], 1), state],
    };
  });
  const [input, state] = results;
  return { input, state, dR: outer(g, state, before), dInitial: states[0] };
};

/** n = tanh(x + R·(r·y')). */
const gruResetBefore: Cell = (direction) => {
  const { g, hidden, R, before, dY, dLast, reverse } = direction;
  const bounds = [2 * hidden, hidden];
  const [Rzr, Rn] = g.split(R, bounds, 0);
  const [xz, xr, xn] = gatesOf(direction, direction.fromInput, 3);
  const [hz, hr] = gatesOf(direction, direction.fromState, 3);
  const [z, r] = [g.sigmoid(g.add(xz, hz)), g.sigmoid(g.add(xr, hr))];
  const recalled = g.matmul(g.mul(r, before), g.transpose(Rn, [1, 0]));
  const bias = direction.stateBias && g.slice(direction.stateBias, 2 * hidden, 3 * hidden, 0);
  const n = g.tanh(bias ? g.add(xn, recalled, bias) : g.add(xn, recalled));
  const slopes = [
    g.mul(g.sub(before, n), sigmoidSlope(g, z)),
    g.mul(before, sigmoidSlope(g, r)),
    g.mul(complement(g, z), tanhSlope(g, n)),
  ];
  const back = { states: [dLast], sequences: [dY, z, r, ...slopes], captured: [Rzr, Rn], backward: !reverse };
  const { states, results } = scan(g, back, (s, [dhNext], [dy, zt, rt, kz, kr, kn]) => {
    const dh = s.add(dy, dhNext);
    const an = s.mul(dh, kn);
    const dReset = s.matmul(an, Rn);
    const azr = s.concat([s.mul(dh, kz), s.mul(dReset, kr)], 1);
    const dBefore = s.add(s.mul(dh, zt), s.mul(dReset, rt), s.matmul(azr, Rzr));
    return { states: [dBefore], results: [s.concat([azr, an], 1)] };
  });
  const [dz] = results;
  const [dzr, dn] = g.split(dz, bounds, 2);
  const dR = g.concat([outer(g, dzr, before), outer(g, dn, g.mul(r, before))], 0);
  return { input: dz, state: dz, dR, dInitial: states[0] };
};

/** Returns direction d of a value with an axis of directions. */
const ofDirection = (g: Builder, value: Value, d: number, axis = 0) =>
  g.squeeze(g.slice(value, d, d + 1, axis), [axis]);

/** Returns the cotangents of a layer's inputs that come from one direction; the lengths have none. */
export function throughDirection(
  { g, inputs, dys, needs, attributes }: VjpContext,
  cell: Cell,
  gates: number,
  Y: Value,
  d: number,
): Cotangents {
  const [X, W, R, B, , initial, initialCell] = inputs;
  const hidden = attributes.int('hidden_size', 0);
  const reverse = attributes.string('direction', 'forward') === 'reverse' || d === 1;
  const stateOf = (value: Value | undefined) => (value ? ofDirection(g, value, d) : zeroState(g, X, hidden));
  const [Wd, Rd, Yd] = [ofDirection(g, W, d), ofDirection(g, R, d), ofDirection(g, Y, d, 1)];
  const width = gates * hidden;
  const biases = B ? g.split(ofDirection(g, B, d), [width, width], 0) : undefined;
  const shift = (sequence: Value, first: Value) => {
    const one = g.unsqueeze(first, [0]);
    return reverse
      ? g.concat([g.slice(sequence, 1, 2 ** 31 - 1, 0), one], 0)
      : g.concat([one, g.slice(sequence, 0, -1, 0)], 0);
  };
  const into = (x: Value, weight: Value, bias: Value | undefined) => {
    const product = g.matmul(x, g.transpose(weight, [1, 0]));
    return bias ? g.add(product, bias) : product;
  };
  const before = shift(Yd, stateOf(initial));
  const { input, state, dR, dInitial, dInitialCell } = cell({
    g,
    hidden,
    R: Rd,
    fromInput: into(X, Wd, biases?.[0]),
    fromState: into(before, Rd, biases?.[1]),
    stateBias: biases?.[1],
    Y: Yd,
    before,
    initialCell: stateOf(initialCell),
    dY: dys[0] ? ofDirection(g, dys[0], d, 1) : g.zerosLike(Yd),
    dLast: stateOf(dys[1]),
    dLastCell: stateOf(dys[2]),
    reverse,
    shift,
    attributes,
  });
  const overTime = (v: Value) => g.sum(v, [0, 1], false);
  return [
    needs(0) && g.matmul(input, Wd),
    needs(1) && outer(g, input, X),
    needs(2) && dR,
    needs(3) && g.concat([overTime(input), overTime(state)], 0),
    undefined,
    needs(5) && dInitial,
    needs(6) && dInitialCell,
  ];
}
