/** Characters of a bar. */
const BAR = 20;
/** Milliseconds between two drawings. */
const INTERVAL = 100;

/**
 * A line on standard error that is drawn again and again, and wiped at the end; nothing where that is no terminal.
 *
 * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} [stream]
 */
export function statusLine(stream = process.stderr) {
  let last = -Infinity;
  return {
    /**
     * @param {string} text
     * @param {number} [share] - in [0, 1], drawn as a bar
     */
    show(text, share) {
      if (!stream.isTTY || performance.now() - last < INTERVAL) return;
      last = performance.now();
      const line = share === undefined ? text : `${bar(share)}  ${text}`;
      stream.write(`\r\u001b[2K${line.slice(0, (stream.columns ?? 80) - 1)}`);
    },
    done() {
      if (stream.isTTY && last > -Infinity) stream.write('\r\u001b[2K');
    },
  };
}

/** @param {number} share */
function bar(share) {
  const full = Math.round(BAR * Math.min(1, Math.max(0, share)));
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${String(Math.floor(100 * share)).padStart(3)} %`;
}

/**
 * Seconds for people.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '…';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 60
    ? `${Math.round(seconds)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
