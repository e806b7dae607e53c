/**
 * Returns a stream of 32-bit numbers, determined by a seed and a list of keys.
 *
 * The generator is sfc32 by Chris Doty-Humphrey (PractRand 0.93); its state is mixed from the keys by the finalizer of
 * MurmurHash3.
 *
 * @param seed - a whole number; its 53 bits all count
 * @param keys - whole numbers below 2³²
 */
export function bitStream(seed: number, ...keys: readonly number[]): () => number {
  let mix = 0x9e3779b9;
  const stir = (word: number) => {
    let z = Math.imul(mix ^ word, 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    mix = ((z ^ (z >>> 16)) + 0x9e3779b9) | 0;
    return mix;
  };
  let [a, b, c] = [stir(seed | 0), stir(Math.floor(seed / 2 ** 32)), 0];
  for (const key of keys) c = stir(key | 0);
  a ^= stir(1);
  b ^= stir(2);
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Returns the 32-bit FNV-1a hash of a name. */
export function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
