import fc from 'fast-check';

// A run of the tests tells the same today and tomorrow; change the seed to look elsewhere.
// A mutant is killed by its first counterexample: nobody reads a smaller one.
fc.configureGlobal({ seed: 20261128, endOnFailure: process.env['MUTATING'] !== undefined });
