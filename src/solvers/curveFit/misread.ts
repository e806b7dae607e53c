import type { Point } from './data.ts';
import type { GivenModel } from './model.ts';
import type { Start } from './parameters.ts';

/**
 * Describes how a model misreads its arguments, where its value is NaN: by parameters one after the other as in SciPy, by a
 * name that p0 lacks, or by more parameters than p0 has. Empty if it does none of that.
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
  const call = (parameters: object): unknown =>
    (model as (x: unknown, parameters: object) => unknown)(argument, parameters);
  if (Array.isArray(p0) || ArrayBuffer.isView(p0)) {
    const start = Array.from(p0 as ArrayLike<number>);
    const more = call(Float64Array.from([...start, ...Array<number>(9).fill(1)]));
    const value = vectorized ? (more as ArrayLike<number>)[at] : more;
    return Number.isFinite(value) ? `it reads more parameters than the ${start.length} of p0` : '';
  }
  const lacking = new Set<string>();
  const watched = new Proxy(p0, {
    get(target, name): unknown {
      if (typeof name === 'string' && !(name in target)) lacking.add(name);
      return Reflect.get(target, name);
    },
  });
  call(watched);
  const names = [...lacking].map((name) => JSON.stringify(name)).join(', ');
  return names === '' ? '' : `it reads ${names}, and p0 has ${Object.keys(p0).join(', ')}`;
}
