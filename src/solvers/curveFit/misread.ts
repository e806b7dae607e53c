import type { Point } from './data.ts';
import type { GivenModel } from './model.ts';
import type { Start } from './parameters.ts';

/** Number of parameters added to p0, each 1, to see if a model reads any of them. */
const ADDED = 9;

/**
 * Describes how a model misreads its arguments, where its value is NaN: it takes parameters one after the other as in SciPy,
 * reads names that p0 lacks, or reads more parameters than p0 has; a list p0 has no names. Names and parameters are blamed only
 * if the value is finite with 1 in their place. Returns an empty string if nothing of this is found.
 *
 * @param at - index of the point at which it is NaN
 */
export function misread(
  { model, vectorized }: { readonly model: GivenModel; readonly vectorized: boolean },
  points: readonly Point[],
  at: number,
  p0: Start,
): string {
  if (model.length > 2) {
    return `it takes ${model.length} arguments, and gets two: x and all parameters, as in (x, [a, b]) => … or (x, { a, b }) => …`;
  }
  const argument = vectorized ? points : points[at];
  const isFiniteWith = (parameters: object): boolean => {
    try {
      const value = (model as (x: unknown, parameters: object) => unknown)(argument, parameters);
      return Number.isFinite(vectorized ? (value as ArrayLike<unknown>)[at] : value);
    } catch {
      // A model that checks its parameters does not misread them.
      return false;
    }
  };
  if (Array.isArray(p0) || ArrayBuffer.isView(p0)) {
    const start = Array.from(p0 as ArrayLike<number>);
    const longer = Float64Array.from([...start, ...Array<number>(ADDED).fill(1)]);
    if (isFiniteWith(longer)) return `it reads more parameters than the ${start.length} of p0`;
    const names = namesRead({}, isFiniteWith);
    return names === ''
      ? ''
      : `it reads ${names}, and p0 is a list; name its parameters, as in { name: start }`;
  }
  const names = namesRead(p0, isFiniteWith);
  return names === '' ? '' : `it reads ${names}, and p0 has ${Object.keys(p0).join(', ')}`;
}

/** Returns the names that a model reads and p0 lacks, as text, if its value is finite with 1 in their place; `''` otherwise. */
function namesRead(p0: object, isFiniteWith: (parameters: object) => boolean): string {
  const lacking = new Set<string>();
  const completed = new Proxy(p0, {
    get(target, name): unknown {
      if (typeof name !== 'string' || name in target) return Reflect.get(target, name);
      lacking.add(name);
      return 1;
    },
  });
  return isFiniteWith(completed) ? Array.from(lacking, (name) => JSON.stringify(name)).join(', ') : '';
}
