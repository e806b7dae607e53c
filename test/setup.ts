import fc from 'fast-check';

// A run of the tests tells the same today and tomorrow; change the seed to look elsewhere.
fc.configureGlobal({ seed: 20261128 });
