/**
 * Parameters that a computation moves, but does not train: they are put back afterwards.
 *
 * @module
 */
import { runAsync, runSync } from './drive.ts';
import { thenPutBack } from './putBack.ts';
import type { ParamSet } from './paramSet.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { Asks } from './question.ts';

/** Parameters, if any, with their current values. */
export interface Held {
  readonly params: ParamSet | undefined;
  readonly values: Float64Array | undefined;
}

/** A set that can be read asynchronously, such as that of a tfjs backend that cannot be read otherwise. */
type ReadLater = ParamSet & { read?(vector: Float64Array): Promise<Float64Array> };

/** Remembers the current values of parameters. */
export const hold = (params: ParamSet | undefined): Held => ({
  params,
  values: params?.copyInto(params.zeros()),
});

/** As {@link hold}, but awaits a set that is read asynchronously. */
export async function holdLater(params: ReadLater | undefined): Promise<Held> {
  return params?.read === undefined ? hold(params) : { params, values: await params.read(params.zeros()) };
}

/** Puts the values back, bit for bit. A set that was not written is left alone, as that of an ONNX model. */
export function putBack({ params, values }: Held): void {
  if (params !== undefined && values !== undefined && !isUntouched(params, values)) params.copyFrom(values);
}

/** Runs a computation, and then puts the values back, even after an error. */
export const keeping = <Result>(held: Held, asks: Asks<Result>): Asks<Result> =>
  thenPutBack(asks, () => putBack(held));

/** As {@link runSync}, and then puts back the parameters of the problem. */
export const runAndPutBack = <Result>(asks: Asks<Result>, problem: Problem): Result =>
  runSync(keeping(hold(problem?.params), asks), problem);

/** As {@link runAsync}, and then puts back the parameters of the problem. */
export async function runAndPutBackAsync<Result>(
  asks: Asks<Result>,
  problem: AsyncProblem | Problem,
): Promise<Result> {
  return runAsync(keeping(await holdLater(problem?.params), asks), problem);
}

/** True if a set that can be read at little cost holds these values. */
const isUntouched = (params: ParamSet, values: Float64Array): boolean =>
  !('read' in params) && params.copyInto(params.zeros()).every((now, i) => Object.is(now, values[i]));
