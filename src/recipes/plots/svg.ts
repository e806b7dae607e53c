/**
 * SVG as strings: no DOM is needed, and the same figure gives the same bytes.
 *
 * @module
 */

export type SvgValue = string | number | undefined;

/** Returns an element. Undefined attributes are left out; `fontSize` becomes `font-size`. */
export function el(
  name: string,
  attributes: Readonly<Record<string, SvgValue>>,
  ...children: readonly string[]
): string {
  let head = `<${name}`;
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const shown = typeof value === 'number' ? px(value) : escapeXml(value);
    head += ` ${keepsCase.has(key) ? key : dashed(key)}="${shown}"`;
  }
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`;
}

/** Returns a description element, for screen readers and for readers of the file; nothing for an empty text. */
export const description = (text: string): string => (text === '' ? '' : el('desc', {}, escapeXml(text)));

const keepsCase = new Set(['viewBox', 'preserveAspectRatio']);
const dashed = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Escapes text for use between tags and inside attributes. */
export function escapeXml(text: string): string {
  return withoutControls(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Replaces characters that XML forbids (control characters, lone surrogates) by U+FFFD. */
function withoutControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, (character) =>
    /\s/.test(character) ? ' ' : '\uFFFD',
  );
}

/** Formats a coordinate, rounded to a hundredth of a pixel and clamped to ± a million: more is never visible. */
export function px(value: number): string {
  return String(Math.round(Math.max(-1e6, Math.min(1e6, value)) * 100) / 100);
}

/** Returns the path data of straight lines through all points. */
export const pathThrough = (points: readonly (readonly [x: number, y: number])[]): string =>
  points.map(([x, y], k) => `${k === 0 ? 'M' : 'L'}${px(x)},${px(y)}`).join('');

/**
 * Returns the path data of a polyline. Points that are not finite break it; points nearer than 0.3 px to the previous one
 * are left out. A single point between two gaps becomes a stroke of almost no length: a dot with round line caps.
 */
export function polyline(xs: ArrayLike<number>, ys: ArrayLike<number>): string {
  let path = '';
  let pen = false;
  let lastX = 0;
  let lastY = 0;
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i];
    const y = ys[i];
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = false;
      continue;
    }
    if (pen && i < xs.length - 1 && Math.abs(x - lastX) + Math.abs(y - lastY) < 0.3) continue;
    const alone = !pen && !(i + 1 < xs.length && Number.isFinite(xs[i + 1] + ys[i + 1]));
    path += `${pen ? 'L' : 'M'}${px(x)},${px(y)}${alone ? 'h0.01' : ''}`;
    pen = true;
    lastX = x;
    lastY = y;
  }
  return path;
}

/** Returns the path data of a closed polygon. */
export function polygon(xs: ArrayLike<number>, ys: ArrayLike<number>): string {
  const path = polyline(xs, ys);
  return path === '' ? '' : `${path}Z`;
}

/** Advance widths of the characters from space to ~ in DejaVu Sans, the widest of the common typefaces, in 1/100 em. */
const asciiWidths = [
  32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34,
  34, 84, 84, 84, 54, 100, 71, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 60, 74,
  69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 35, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64,
  64, 40, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];

/**
 * Returns the width of a text in a sans-serif typeface at `fontSize`, px: a conservative estimate, since text cannot be
 * measured without a DOM.
 */
export function textWidth(text: string, fontSize: number): number {
  let hundredths = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    hundredths += asciiWidths[code - 32] ?? wideWidth(code);
  }
  // Typefaces differ by a few percent.
  return 1.03 * (hundredths / 100) * fontSize;
}

/** Factor by which bold letters are wider. */
export const boldness = 1.15;

function wideWidth(code: number): number {
  if (code < 0x400) return 85;
  // Subscripts and superscripts; mathematical signs and dashes; all others count as wide as Chinese characters.
  if (code >= 0x2070 && code < 0x20a0) return 50;
  return (code >= 0x2010 && code < 0x2070) || (code >= 0x2200 && code < 0x2300) ? 100 : 110;
}
