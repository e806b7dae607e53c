/**
 * Text that fits: shortened or wrapped where there is no room, never beyond the picture.
 *
 * @module
 */
import { textWidth } from './svg.ts';

/** The text, or its beginning with an ellipsis, no wider than `width` px. */
export function shortened(text: string, width: number, fontSize: number): string {
  if (textWidth(text, fontSize) <= width) return text;
  const characters = Array.from(text);
  let kept = characters.length;
  while (kept > 0 && textWidth(`${characters.slice(0, kept).join('')}…`, fontSize) > width) kept--;
  return kept === 0 ? '' : `${characters.slice(0, kept).join('').trimEnd()}…`;
}

/** The text in at most `most` lines no wider than `width` px; the last is shortened if it must be. */
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

/** The middle of a text of this width, moved so that it stays between `low` and `high`. */
export function inside(middle: number, width: number, low: number, high: number): number {
  return Math.max(low + width / 2, Math.min(high - width / 2, middle));
}
