import { show } from '../../core/options.ts';
import { isNumbers } from './traces.ts';

/** Values with a name: one column of a box plot, one curve of densities. */
export interface Sample {
  readonly name: string;
  readonly values: ArrayLike<number>;
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string | undefined;
  /**
   * A value from elsewhere for comparison, drawn as a hollow diamond; not affected by `relativeTo`.
   *
   * @defaultValue none
   */
  readonly reference?: number | undefined;
}

/** Samples in order, or an object from names to values. */
export type Samples = readonly Sample[] | Readonly<Record<string, ArrayLike<number>>>;

/**
 * Returns the samples as a list.
 *
 * @throws TypeError if it is neither a list nor an object, or a sample has no values
 * @throws RangeError if there are none
 */
export function samplesOf(where: string, samples: Samples): readonly Sample[] {
  if (typeof samples !== 'object' || samples === null) {
    throw new TypeError(
      `${where}: samples must be [{ name, values }] or { name: values }, got ${show(samples)}.`,
    );
  }
  const list = isList(samples)
    ? samples
    : Object.entries(samples).map(([name, values]) => ({ name, values }));
  if (list.length === 0) throw new RangeError(`${where}: samples must hold at least one sample, got none.`);
  for (const [k, sample] of list.entries()) {
    if (isNumbers(sample?.values)) continue;
    const name = sample?.name === undefined ? k : show(sample.name);
    throw new TypeError(
      `${where}: sample ${name} must have values, an array of numbers; got ${show(sample?.values ?? sample)}.`,
    );
  }
  return list;
}

const isList = (samples: object): samples is readonly Sample[] => Array.isArray(samples);

/**
 * Returns the name, with the number of values drawn if some cannot be shown, so that a method that failed in
 * some runs does not look as if it had none.
 */
export const nameWithCount = (name: string, drawn: number, all: number, kind: string): string =>
  drawn === all ? name : `${name} (${drawn} of ${all} ${kind})`;
