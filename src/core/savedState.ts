import { crc32 } from './crc32.ts';
import { show } from './options.ts';
import { pack, unpack } from './pack.ts';
import type { RunState } from './runState.ts';

/** A {@link RunState} in a form that survives JSON bit for bit. */
export interface SavedState {
  readonly format: 'quasi-newton run';
  readonly version: 1;
  /** The solver's name, for information. */
  readonly solver: string;
  /** CRC-32 of the structure and of the numbers, in hexadecimal digits. */
  readonly checksum: string;
  /** JSON of the state, without its numbers. */
  readonly structure: string;
  /** The numbers as little-endian float64, in base64. */
  readonly numbers: string;
}

const FORMAT = 'quasi-newton run';
const VERSION: number = 1;

/**
 * Converts the state of a run to data for `JSON.stringify`. A run resumed from it, in this process or
 * another, continues bit for bit as if it had never been interrupted.
 *
 * @param state - `result.state`, or `progress.state()` of a callback
 * @throws TypeError if it is not a state
 *
 * @example
 * ```js
 * import { lbfgs, loadState, minimize, saveState } from 'quasi-newton';
 *
 * const bowl = {
 *   p0: Float64Array.of(3, -4),
 *   fg(x, gradient) {
 *     if (gradient) gradient.set([4 * x[0] ** 3, 20 * x[1]]);
 *     return x[0] ** 4 + 10 * x[1] ** 2;
 *   },
 * };
 * const first = minimize(bowl, lbfgs(), { maxIterations: 5 });
 * const text = JSON.stringify(saveState(first.state));
 * // … later, elsewhere …
 * const second = minimize(bowl, lbfgs(), { resume: loadState(JSON.parse(text)) });
 * ```
 */
export function saveState(state: RunState): SavedState {
  if (typeof state !== 'object' || state === null || state.format !== 1 || !state.iterate) {
    throw new TypeError(`saveState: state must be result.state or progress.state(), got ${show(state)}.`);
  }
  const { structure, numbers } = pack(state);
  const bytes = littleEndian(numbers);
  const encoded = toBase64(bytes);
  const checksum = checksumOf(structure, bytes);
  return { format: FORMAT, version: 1, solver: state.solver, checksum, structure, numbers: encoded };
}

/**
 * Restores a state from the result of {@link saveState}.
 *
 * @param saved - after `JSON.parse`
 * @throws TypeError if it is not a saved state, has another version, or is damaged
 */
export function loadState(saved: SavedState): RunState {
  if (typeof saved !== 'object' || saved === null || saved.format !== FORMAT) {
    const advice = typeof saved === 'string' ? ' JSON.parse(text) comes first.' : '';
    throw new TypeError(
      `loadState: this is no saved state, which saveState makes; got ${show(saved)}.${advice}`,
    );
  }
  if (saved.version !== VERSION) {
    throw new TypeError(
      `loadState: the state has version ${show(saved.version)}; this release reads version ${VERSION}. Resume it with the release that saved it.`,
    );
  }
  const { structure, numbers, checksum } = saved;
  const bytes = typeof numbers === 'string' ? fromBase64(numbers) : null;
  if (typeof structure !== 'string' || bytes === null || checksumOf(structure, bytes) !== checksum) {
    throw new TypeError(
      'loadState: the state is damaged: its checksum differs. Read it again, or resume an earlier one.',
    );
  }
  return unpack({ structure, numbers: fromLittleEndian(bytes) }) as unknown as RunState;
}

function littleEndian(numbers: Float64Array): Uint8Array {
  const bytes = new Uint8Array(8 * numbers.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < numbers.length; i++) view.setFloat64(8 * i, numbers[i], true);
  return bytes;
}

function fromLittleEndian({ buffer, byteLength }: Uint8Array): Float64Array {
  const view = new DataView(buffer);
  return Float64Array.from({ length: byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

/**
 * Number of bytes encoded per call: limited by the number of arguments of a call, and a multiple of 3, so
 * that the parts need no padding.
 */
const CHUNK = 3 * 2 ** 12;

function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += CHUNK) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + CHUNK))));
  }
  return parts.join('');
}

/**
 * Returns the bytes of a base64 string; null if it is invalid or does not consist of whole float64 numbers.
 */
function fromBase64(text: string): Uint8Array | null {
  try {
    const characters = atob(text);
    if (characters.length % 8 !== 0) return null;
    return Uint8Array.from(characters, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

const checksumOf = (structure: string, numbers: Uint8Array): string =>
  [new TextEncoder().encode(structure), numbers]
    .map((bytes) => crc32(bytes).toString(16).padStart(8, '0'))
    .join('');
