/** Returns a function that returns 1 or −1 at random, the same sequence each time: a linear congruential generator. */
export function randomSigns(): () => number {
  let seed = 1;
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return seed < 0 ? -1 : 1;
  };
}
