// The kernels of src/core/kernels/simd.ts in WebAssembly text: what is wanted of them is said there.
//
// Text has no macros, so a few functions stand in for them: `each` unrolls a loop, and `load` reads two
// numbers of a row that is stored in 8 or in 4 bytes a number. Lengths are multiples of 8, and every inner
// product has one accumulator of two lanes, so that the twin in plain.ts adds in the same order.

/** @param {number} count @param {(index: number) => string} write */
const each = (count, write) => Array.from({ length: count }, (_, index) => write(index)).join('\n    ');

/** @param {string} name */
const get = (name) => `(local.get $${name})`;

/** @param {string} name @param {number} bytes */
const advance = (name, bytes) => `(local.set $${name} (i32.add ${get(name)} (i32.const ${bytes})))`;

/** Two numbers from `2·index` numbers after the pointer. @param {number} width @param {string} pointer */
const load = (width, pointer, index = 0) =>
  width === 8
    ? `(v128.load offset=${16 * index} ${get(pointer)})`
    : `(f64x2.promote_low_f32x4 (v128.load64_zero offset=${8 * index} ${get(pointer)}))`;

/** @param {string} pointer @param {string} value */
const store = (pointer, value, index = 0) => `(v128.store offset=${16 * index} ${get(pointer)} ${value})`;

/** @param {string} a @param {string} b */
const plus = (a, b) => `(f64x2.add ${a} ${b})`;
/** @param {string} a @param {string} b */
const times = (a, b) => `(f64x2.mul ${a} ${b})`;

/** @param {string} sum @param {string} a @param {string} b */
const accumulate = (sum, a, b) => `(local.set $${sum} ${plus(get(sum), times(a, b))})`;

/** Adds both lanes of `sum` to the number at `$results + 8·index`. @param {string} sum @param {number} index */
const addLanes = (sum, index) =>
  `(f64.store offset=${8 * index} (local.get $results) (f64.add (f64.load offset=${8 * index} (local.get $results))
      (f64.add (f64x2.extract_lane 0 ${get(sum)}) (f64x2.extract_lane 1 ${get(sum)}))))`;

/** @param {string} type @param {readonly string[]} names */
const parameters = (type, names) => names.map((name) => `(param $${name} ${type})`).join(' ');

/** @param {readonly string[]} names */
const vectors = (names) => names.map((name) => `(local $${name} v128)`).join(' ');

/**
 * A function whose body runs over `n` numbers, `step` of them each time; `counter` is a pointer to 8-byte
 * numbers that the body advances.
 *
 * @param {{ name: string, parameters: string, locals?: string, before?: string, counter: string, body: string, after?: string }} parts
 */
const kernel = ({ name, parameters, locals = '', before = '', counter, body, after = '' }) => `
  (func (export "${name}") ${parameters} (param $n i32)
    (local $end i32) ${locals}
    (local.set $end (i32.add ${get(counter)} (i32.shl (local.get $n) (i32.const 3))))
    ${before}
    (loop $next
    ${body}
    (br_if $next (i32.lt_u ${get(counter)} (local.get $end))))
    ${after})`;

/** @param {number} width */
function project(width) {
  const rows = ['s0', 'y0', 's1', 'y1'];
  const sums = rows.flatMap((row) => [`${row}p`, `${row}q`]);
  return kernel({
    name: `project${width}`,
    parameters: parameters('i32', [...rows, 'p', 'q', 'results']),
    locals: vectors(['pv', 'qv', 'v', ...sums]),
    counter: 'q',
    body: [
      `(local.set $pv ${load(width, 'p')}) (local.set $qv ${load(8, 'q')})`,
      ...rows.map(
        (row) =>
          `(local.set $v ${load(width, row)}) ${accumulate(`${row}p`, get('v'), get('pv'))} ${accumulate(`${row}q`, get('v'), get('qv'))}`,
      ),
      ...[...rows, 'p'].map((row) => advance(row, 2 * width)),
      advance('q', 16),
    ].join('\n    '),
    after: sums.map(addLanes).join('\n    '),
  });
}

/** @param {number} width */
const combine = (width) =>
  kernel({
    name: `combine${width}`,
    parameters: `${parameters('i32', ['s0', 'y0', 's1', 'y1'])} ${parameters('f64', ['a0', 'b0', 'a1', 'b1'])} ${parameters('i32', ['out'])}`,
    locals: vectors(['av0', 'bv0', 'av1', 'bv1']),
    before: ['a0', 'b0', 'a1', 'b1']
      .map((factor) => `(local.set $${factor[0]}v${factor[1]} (f64x2.splat ${get(factor)}))`)
      .join(' '),
    counter: 'out',
    body: [
      each(2, (index) => {
        const pair = (/** @type {number} */ k) =>
          plus(
            times(get(`av${k}`), load(width, `s${k}`, index)),
            times(get(`bv${k}`), load(width, `y${k}`, index)),
          );
        return store('out', plus(load(8, 'out', index), plus(pair(0), pair(1))), index);
      }),
      ...['s0', 'y0', 's1', 'y1'].map((row) => advance(row, 4 * width)),
      advance('out', 32),
    ].join('\n    '),
  });

const scale = kernel({
  name: 'scale',
  parameters: '(param $factor f64) (param $out i32)',
  locals: vectors(['f']),
  before: '(local.set $f (f64x2.splat (local.get $factor)))',
  counter: 'out',
  body: [store('out', times(get('f'), load(8, 'out'))), advance('out', 16)].join('\n    '),
});

/** The whole module; its memory is imported. */
export const kernelsText = `(module
  (import "host" "memory" (memory 1))
${[project(8), project(4), combine(8), combine(4), scale].join('\n')})
`;
