/**
 * SVG as strings: no DOM, so that a figure can be drawn anywhere, and the same bytes for the same figure.
 *
 * @module
 */

export type SvgValue = string | number | undefined;

/** One element. Attributes that are undefined are left out; `fontSize` becomes `font-size`. */
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

const keepsCase = new Set(['viewBox', 'preserveAspectRatio']);
const dashed = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Text that is safe between tags and inside attributes. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A coordinate to a hundredth of a pixel: finer cannot be seen. */
export function px(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/**
 * The path data of a polyline; a point that is not finite breaks it, and points nearer than 0.3 px to the one
 * before are left out.
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
    path += `${pen ? 'L' : 'M'}${px(x)},${px(y)}`;
    pen = true;
    lastX = x;
    lastY = y;
  }
  return path;
}

/** The path data of a closed polygon. */
export function polygon(xs: ArrayLike<number>, ys: ArrayLike<number>): string {
  const path = polyline(xs, ys);
  return path === '' ? '' : `${path}Z`;
}

/**
 * Width of a text in a sans-serif face at `fontSize`, px: an estimate on the safe side, since nothing can be
 * measured without a DOM.
 */
export function textWidth(text: string, fontSize: number): number {
  let ems = 0;
  for (const character of text) {
    if ("iIl.,:;|!'()[] ".includes(character)) ems += 0.35;
    else if ('mMwWQ@%–—−+=<>'.includes(character)) ems += 0.86;
    else if (character >= 'A' && character <= 'Z') ems += 0.7;
    else ems += 0.6;
  }
  return ems * fontSize;
}
