import fc from 'fast-check';
import { expect, it } from 'vitest';
import { freshImprovement, observeValue } from '../../src/core/patience.ts';

const options = fc.record({
  patience: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant(Infinity)),
  minDelta: fc.constantFrom(0, 0.5, 1),
  mode: fc.constantFrom('min', 'max'),
});
const values = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(NaN)), { maxLength: 12 });

it('a value is best if it beats the best before it by more than minDelta, and patience counts those since', () => {
  fc.assert(
    fc.property(options, values, (given, list) => {
      const memory = freshImprovement();
      const sign = given.mode === 'min' ? -1 : 1;
      const bests: { value: number; at: number }[] = [];
      list.forEach((value, at) => {
        const last = bests.at(-1);
        const isBest = last === undefined ? value === value : sign * (value - last.value) > given.minDelta;
        if (isBest) bests.push({ value, at });
        const since = at - (bests.at(-1)?.at ?? -1);
        // A best value never ends a run, not even with a patience of 0.
        const isOver = !isBest && since >= given.patience;
        expect(observeValue(memory, value, given)).toEqual({ isBest, isOver });
        expect(memory).toEqual({ best: bests.at(-1)?.value ?? null, waited: since });
      });
    }),
    { numRuns: 500 },
  );
});
