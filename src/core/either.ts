import type { Either } from 'fp-ts/lib/Either.js';

// The two constructors of fp-ts's Either, repeated here so that core needs fp-ts only for its types.

/** A failure. */
export const left = <E>(failure: E): Either<E, never> => ({ _tag: 'Left', left: failure });

/** A success. */
export const right = <A>(value: A): Either<never, A> => ({ _tag: 'Right', right: value });

export type { Either };
