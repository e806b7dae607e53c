/**
 * Fitting of text: shortened or wrapped if there is no room, and never beyond the picture.
 *
 * @module
 */
import { textWidth } from './svg.ts';

/**
 * Returns the text, or its beginning with an ellipsis, at most `width` px wide.
 *
 * @param end - text to append that is never shortened. @defaultValue `''`
 */
export function shortened(text: string, width: number, fontSize: number, end = ''): string {
  if (text === '' || textWidth(text + end, fontSize) <= width) return text + end;
  const characters = Array.from(text);
  let kept = characters.length;
  while (kept > 0 && textWidth(`${characters.slice(0, kept).join('')}…${end}`, fontSize) > width) kept--;
  return kept === 0 && end === '' ? '' : `${characters.slice(0, kept).join('').trimEnd()}…${end}`;
}

/** Wraps a text to at most `most` lines of at most `width` px; the last line is shortened if necessary. */
export function wrapped(text: string, width: number, fontSize: number, most: number): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const lines: string[] = [];
  let line = '';
  for (const [k, word] of words.entries()) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || textWidth(longer, fontSize) <= width) {
      line = longer;
      continue;
    }
    if (lines.length === most - 1) {
      line = [line, ...words.slice(k)].join(' ');
      break;
    }
    lines.push(shortened(line, width, fontSize));
    line = word;
  }
  const last = shortened(line, width, fontSize);
  return last === '' ? lines : [...lines, last];
}

/** Returns the center of a text of this width, moved to keep the text between `low` and `high`. */
export function inside(middle: number, width: number, low: number, high: number): number {
  return Math.max(low + width / 2, Math.min(high - width / 2, middle));
}
