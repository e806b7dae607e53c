import { decodeLandscape, encodeLandscape } from './codec.ts';
import { sameLoss, type LandscapeData } from './data.ts';
import { nodeModule } from './node.ts';
import { writeWholeFile } from './writeFile.ts';
import type { Draft } from './gridWalk.ts';

/** Keeps a draft in a file while it is evaluated. */
export interface Checkpoint {
  /** Compares the loss at the center with that of the file, and writes the first version. */
  started(): void;
  /** Writes if a second has passed since the last time, or twenty times as long as writing takes. */
  evaluated(): void;
  /** Writes, if it was started. */
  ended(): void;
}

/** Milliseconds between two versions, at least; and their number in units of what one takes: 5 % of the time. */
const interval = 1000;
const share = 20;

/**
 * Opens a checkpoint: if the file exists, its values are taken over into `draft`.
 *
 * @throws Error if the file is of another landscape (other parameters, directions, grid or metrics) or cannot be
 *   read; once the loss at the center is known, if that differs (other data or another model), or if the file
 *   cannot be written
 */
export function openCheckpoint(path: string, draft: Draft): Checkpoint {
  const fs = nodeModule('node:fs', 'checkpoint');
  const stored = fs.existsSync(path) ? storedIn(path, () => fs.readFileSync(path)) : null;
  if (stored !== null) {
    if (stored.fingerprint !== draft.fingerprint) {
      throw new Error(
        `checkpoint: ${path} is of another landscape: its parameters, directions, grid or metrics differ (fingerprint ${stored.fingerprint}, here ${draft.fingerprint}). Use another path, or delete it.`,
      );
    }
    draft.z.set(stored.z.map((value, cell) => (stored.done[cell] === 1 ? value : NaN)));
    // What an adaptive grid predicted is predicted again.
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
          `checkpoint: ${path} is of another loss: ${stored.loss} at the center, here ${draft.loss}; the data or the model differ. Use another path, or delete it.`,
        );
      }
      write();
    },
    evaluated() {
      if (performance.now() - last > pause) write();
    },
    ended() {
      // A file that was refused, or never begun, is left alone.
      if (last > 0) write();
    },
  };
}

/** The landscape in a file. */
function storedIn(path: string, read: () => Uint8Array): LandscapeData {
  let bytes: Uint8Array;
  try {
    bytes = read();
  } catch (cause) {
    throw new Error(`checkpoint: ${path} cannot be read; is it a file, and may this user read it?`, {
      cause,
    });
  }
  return decodeLandscape(bytes, `checkpoint: ${path}: its bytes`);
}
