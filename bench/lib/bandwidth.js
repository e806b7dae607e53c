import wabt from 'wabt';

const compiler = await wabt();

/** Sums 16 numbers each turn, in eight accumulators: nothing but the memory can hold it up. */
const text = `(module
  (import "host" "memory" (memory 1))
  (func (export "sum") (param $at i32) (param $bytes i32) (result f64) (local $end i32)
    ${turns((i) => `(local $s${i} v128)`)}
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $next
      ${turns((i) => `(local.set $s${i} (f64x2.add (local.get $s${i}) (v128.load offset=${16 * i} (local.get $at))))`)}
      (local.set $at (i32.add (local.get $at) (i32.const 128)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    ${turns((i) => `(local.set $s0 (f64x2.add (local.get $s0) (local.get $s${i})))`)}
    (f64x2.extract_lane 0 (local.get $s0))))`;

/** @param {(index: number) => string} write */
function turns(write) {
  return Array.from({ length: 8 }, (_, index) => write(index)).join('\n    ');
}

/**
 * Measures how fast one thread reads a block of memory of this size, again and again.
 *
 * @param {number} size in bytes
 * @returns {{ measure: () => number[] }} bytes per second of several passes
 */
export function readBandwidth(size) {
  const parsed = compiler.parseWat('sum.wat', text, { simd: true });
  const module = new WebAssembly.Module(new Uint8Array(parsed.toBinary({}).buffer));
  parsed.destroy();
  const bytes = Math.ceil(size / 128) * 128;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 2 ** 16) });
  new Float64Array(memory.buffer).fill(1);
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  const sum = /** @type {(at: number, bytes: number) => number} */ (exports.sum);
  // A small block is read many times, for the clock to see it.
  const times = Math.max(1, Math.ceil(4e6 / bytes));
  const pass = () => {
    const start = performance.now();
    for (let i = 0; i < times; i++) sum(0, bytes);
    return (times * bytes) / ((performance.now() - start) / 1000);
  };
  for (let i = 0; i < 10; i++) pass();
  return { measure: () => Array.from({ length: 6 }, pass) };
}
