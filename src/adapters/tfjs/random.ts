/**
 * The random numbers of TensorFlow.js without its tensors: the same seeds give the same numbers as `tf.randomUniform`
 * and `tf.randomNormal`.
 *
 * @module
 */

/** A generator of numbers uniform in [0, 1). */
export type Uniform = () => number;

const TWO_TO_MINUS_32 = 2 ** -32;

/**
 * Johannes Baagøe's Alea generator, as in the package `seedrandom`.
 *
 * @see https://github.com/nquinlan/better-random-numbers-for-javascript-mirror
 */
export function alea(seed: string): Uniform {
  const mash = masher();
  const start = [mash(' '), mash(' '), mash(' ')];
  let [s0, s1, s2] = start.map((value) => {
    const rest = value - mash(seed);
    return rest < 0 ? rest + 1 : rest;
  });
  let carry = 1;
  return () => {
    const t = 2091639 * s0 + carry * TWO_TO_MINUS_32;
    s0 = s1;
    s1 = s2;
    carry = t | 0;
    s2 = t - carry;
    return s2;
  };
}

/** Returns a hash of strings to numbers in [0, 1), which depends on the previous strings. */
function masher(): (text: string) => number {
  let n = 0xefc8249d;
  return (text) => {
    for (let i = 0; i < text.length; i++) {
      n += text.charCodeAt(i);
      let h = 0.02519603282416938 * n;
      n = h >>> 0;
      h -= n;
      h *= n;
      n = h >>> 0;
      h -= n;
      n += h * 2 ** 32;
    }
    return (n >>> 0) * TWO_TO_MINUS_32;
  };
}

/** Fills an array with normal numbers by the polar method of Marsaglia, in the order of `tf.randomNormal`. */
export function fillNormal(
  values: Float32Array,
  uniform: Uniform,
  { mean, deviation }: { mean: number; deviation: number },
): void {
  for (let i = 0; i < values.length; i += 2) {
    let a: number;
    let b: number;
    let s: number;
    do {
      a = 2 * uniform() - 1;
      b = 2 * uniform() - 1;
      s = a * a + b * b;
    } while (s >= 1 || s === 0);
    const factor = Math.sqrt((-2 * Math.log(s)) / s);
    values[i] = mean + deviation * a * factor;
    if (i + 1 < values.length) values[i + 1] = mean + deviation * b * factor;
  }
}
