import { fold, isLeft, isRight } from 'fp-ts/lib/Either.js';
import { expect, it } from 'vitest';
import { left, right } from '../../src/core/either.ts';

it('failures and successes are those of fp-ts', () => {
  const tell = fold(
    (failure: string) => `failed: ${failure}`,
    (value: number) => `got ${value}`,
  );
  expect(tell(left('why'))).toBe('failed: why');
  expect(tell(right(3))).toBe('got 3');
  expect([isLeft(left(1)), isRight(left(1)), isLeft(right(1)), isRight(right(1))]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
