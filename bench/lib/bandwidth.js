import wabt from 'wabt';

const compiler = await wabt();

/** Sums or scales 16 numbers per turn, in eight accumulators, so that only memory limits its speed. */
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
    (f64x2.extract_lane 0 (local.get $s0)))
  (func (export "scale") (param $at i32) (param $bytes i32) (local $end i32) (local $factor v128)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (local.set $factor (f64x2.splat (f64.const -1)))
    (loop $next
      ${turns((i) => `(v128.store offset=${16 * i} (local.get $at) (f64x2.mul (local.get $factor) (v128.load offset=${16 * i} (local.get $at))))`)}
      (local.set $at (i32.add (local.get $at) (i32.const 128)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))))`;

/** @param {(index: number) => string} write */
function turns(write) {
  return Array.from({ length: 8 }, (_, index) => write(index)).join('\n    ');
}

/**
 * Measures how fast one thread reads a block of memory of this size repeatedly.
 *
 * @param {number} size in bytes
 * @returns {{ measure: () => number[] }} bytes per second of several passes
 */
export const readBandwidth = (size) => bandwidth(size, 'sum');

/**
 * Measures how fast one thread reads and overwrites a block of memory of this size repeatedly.
 *
 * @param {number} size in bytes
 * @returns {{ measure: () => number[] }} bytes of the block per second, of several passes
 */
export const updateBandwidth = (size) => bandwidth(size, 'scale');

/** @param {number} size @param {'sum' | 'scale'} name */
function bandwidth(size, name) {
  const parsed = compiler.parseWat('bandwidth.wat', text, { simd: true });
  const module = new WebAssembly.Module(new Uint8Array(parsed.toBinary({}).buffer));
  parsed.destroy();
  const bytes = Math.ceil(size / 128) * 128;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 2 ** 16) });
  new Float64Array(memory.buffer).fill(1);
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  const pass = /** @type {(at: number, bytes: number) => unknown} */ (exports[name]);
  // A small block is read many times, to exceed the resolution of the clock.
  const times = Math.max(1, Math.ceil(4e6 / bytes));
  const passes = () => {
    const start = performance.now();
    for (let i = 0; i < times; i++) pass(0, bytes);
    return (times * bytes) / ((performance.now() - start) / 1000);
  };
  for (let i = 0; i < 10; i++) passes();
  return { measure: () => Array.from({ length: 6 }, passes) };
}
