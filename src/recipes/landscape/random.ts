/**
 * Returns a stream of standard normal numbers, determined by the seed.
 *
 * xoshiro128** (Blackman and Vigna 2021, doi:10.1145/3460772) seeded by splitmix32, through the polar method
 * of Marsaglia and Bray (1964).
 *
 * @param seed - any finite number; all of its 53 bits are used
 */
export function gaussian(seed: number): () => number {
  const uniform = uniformStream(seed);
  let spare = NaN;
  return () => {
    if (spare === spare) {
      const value = spare;
      spare = NaN;
      return value;
    }
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const square = u * u + v * v;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      spare = v * scale;
      return u * scale;
    }
  };
}

/** Returns a stream of numbers in [0, 1) with 53 random bits, determined by the seed. */
export function uniformStream(seed: number): () => number {
  const words = new Uint32Array(new Float64Array([seed]).buffer);
  let mix = (words[0] ^ Math.imul(words[1], 0x9e3779b9)) >>> 0;
  const splitmix = () => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  const s = Uint32Array.of(splitmix(), splitmix(), splitmix(), splitmix());
  const next = () => {
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  };
  return () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
}
