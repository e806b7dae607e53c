import { decodeLandscape, encodeLandscape } from './codec.ts';
import { sameLoss, type LandscapeData } from './data.ts';
import { nodeModule } from './node.ts';
import { writeWholeFile } from './writeFile.ts';
import type { Draft } from './gridWalk.ts';

/** Saves a draft in a file during its evaluation. */
export interface Checkpoint {
  /** Compares the loss at the center with the file's, and writes the first version. */
  started(): void;
  /** Writes if a second, and twenty times the duration of a write, have passed since the last write. */
  evaluated(): void;
  /** Writes a last time, if `started` was called. */
  ended(): void;
}

/** Least interval between two writes, ms. `patience` is the same in units of one write: writing takes at most 5 %. */
const interval = 1000;
const share = 20;

/**
 * Opens a checkpoint: if the file exists, its values are copied into `draft`.
 *
 * @throws Error if the file belongs to another landscape (other parameters, directions, grid or metrics) or cannot be
 *   read; later, if the loss at the center differs (other data or another model) or the file cannot be written
 */
export function openCheckpoint(path: string, draft: Draft): Checkpoint {
  const fs = nodeModule('node:fs', 'checkpoint');
  const stored = fs.existsSync(path) ? storedIn(path, () => fs.readFileSync(path)) : null;
  if (stored !== null) {
    if (stored.fingerprint !== draft.fingerprint) {
      throw new Error(
        `checkpoint: ${path} belongs to another landscape: its parameters, directions, grid or metrics differ (fingerprint ${stored.fingerprint}, here ${draft.fingerprint}). Use another path, or delete it.`,
      );
    }
    draft.z.set(stored.z.map((value, cell) => (stored.done[cell] === 1 ? value : NaN)));
    // Predictions of an adaptive grid are computed again.
    draft.done.set(stored.done.map((mark) => (mark === 1 ? 1 : 0)));
    for (const [name, values] of Object.entries(stored.metrics)) draft.metrics[name].set(values);
  }

  let last = 0;
  let pause = interval;
  const write = () => {
    const start = performance.now();
    writeWholeFile('checkpoint', path, encodeLandscape(draft, false));
    last = performance.now();
    pause = Math.max(interval, share * (last - start));
  };
  return {
    started() {
      if (stored !== null && !sameLoss(stored.loss, draft.loss)) {
        throw new Error(
          `checkpoint: ${path} belongs to another loss: ${stored.loss} at the center, here ${draft.loss}; the data or the model differ. Use another path, or delete it.`,
        );
      }
      write();
    },
    evaluated() {
      if (performance.now() - last > pause) write();
    },
    ended() {
      // A file that was refused, or not yet written, stays as it is.
      if (last > 0) write();
    },
  };
}

/** Returns the landscape in a file. */
function storedIn(path: string, read: () => Uint8Array): LandscapeData {
  let bytes: Uint8Array;
  try {
    bytes = read();
  } catch (cause) {
    throw new Error(`checkpoint: ${path} cannot be read; it must be a file that this user may read.`, {
      cause,
    });
  }
  return decodeLandscape(bytes, `checkpoint: ${path}: its bytes`);
}
