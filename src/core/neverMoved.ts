/**
 * Unknowns that a run has never moved, because their derivatives are 0: correctly, or because they are never computed.
 *
 * @module
 */
import { roundingOf, type Mismatch } from './lineChange.ts';
import { isNoise } from './lineNoise.ts';
import { evaluateAt, sizeOfUnknowns, signOf, type Standstill } from './standstill.ts';
import type { Asks } from './question.ts';
import type { Iterate } from './solver.ts';

/** Steps in proportion to an unknown, or to the largest if it is 0. */
const PARTS = [0.3, 1e-3];
/** Fractions of a step on which a change must be seen, too. */
const SHORTER = [0.382, 0.157];
/** Largest fraction of the shortest step, and the change that it aims at, in rounding errors of f. */
const SHORTEST = 0.1;
const AIM = 16;
/** Most evaluations to leave out unknowns. */
const ROUNDS = 3;

/** Returns the unknowns at their start with a derivative of 0. */
export const neverMoved = ({ x, gradient }: Iterate, p0: Float64Array): number[] =>
  [...x.keys()].filter((i) => gradient[i] === 0 && x[i] === p0[i]);

/**
 * Returns a change of f with these unknowns although their derivatives stay 0; null if there is none. Unknowns whose
 * derivatives do not stay 0 are left out. Two to twelve evaluations, and up to 36 more where f changes.
 */
export function* changeUnseen(standstill: Standstill, unknowns: readonly number[]): Asks<Mismatch | null> {
  const { at, p0 } = standstill;
  const size = sizeOfUnknowns(at.x, p0);
  for (const part of PARTS) {
    let unseen = unknowns;
    const stepOf = (i: number): number => part * signOf(i) * (Math.abs(at.x[i]) || size);
    for (let round = 0; round < ROUNDS && unseen.length > 0; round++) {
      const step = new Float64Array(at.x.length);
      for (const i of unseen) step[i] = stepOf(i);
      const whole = yield* changeAlong(standstill, step, 1, unseen);
      if (whole.rest.length === unseen.length) {
        const found = { byValues: whole.change, byGradients: 0 };
        const isSeen = whole.change !== 0 && (yield* isConfirmed(standstill, step, whole, unseen));
        if (isSeen && !(yield* isNoise(standstill, step, found))) return found;
        break;
      }
      unseen = whole.rest;
    }
  }
  return null;
}

/**
 * True if f changes on shorter steps, too, each time by something else. The last is as short as rounding allows where f
 * changes with its square: functions of plateaus are flat nearby.
 */
function* isConfirmed(
  standstill: Standstill,
  step: Float64Array,
  { change: whole, rounding }: Seen,
  unseen: readonly number[],
): Asks<boolean> {
  const changes = new Set([0, whole]);
  const shortest = Math.min(SHORTEST, Math.sqrt((AIM * rounding) / Math.abs(whole)));
  for (const shorter of [...SHORTER, shortest]) {
    const { change, rest } = yield* changeAlong(standstill, step, shorter, unseen);
    if (changes.has(change) || rest.length < unseen.length) return false;
    changes.add(change);
  }
  return true;
}

interface Seen {
  /** The change of f, 0 if it may be rounding. */
  readonly change: number;
  readonly rounding: number;
  /** The unknowns whose derivatives are 0 there. */
  readonly rest: number[];
}

/** Compares f at a part of a step with f at the point. */
function* changeAlong(
  standstill: Standstill,
  step: Float64Array,
  part: number,
  unknowns: readonly number[],
): Asks<Seen> {
  const { at } = standstill;
  const there = yield* evaluateAt(standstill, step, part);
  const change = there.f - at.f;
  const rounding = roundingOf(at, there, standstill);
  const rest = unknowns.filter((i) => there.gradient[i] === 0);
  return { change: Math.abs(change) > rounding ? change : 0, rounding, rest };
}
