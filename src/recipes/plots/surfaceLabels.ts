/**
 * Places for the labels of a surface's axes and for their names, without overlap.
 *
 * @module
 */
import { el, escapeXml, textWidth } from './svg.ts';
import { inside, shortened } from './text.ts';
import { labelWidth } from './ticks.ts';
import type { Box } from './frame.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import type { Projection } from './projection.ts';

/** Corners of the floor in the picture, in order around it. */
export type Floor = readonly (readonly [number, number])[];

/** Returns the corners of the floor of a cube. */
export const floorOf = (cube: Projection): Floor => [
  cube.at(-1, -1, 0),
  cube.at(1, -1, 0),
  cube.at(1, 1, 0),
  cube.at(-1, 1, 0),
];

/** A placed text: its center and its size, px. */
interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A place for a name: lower ranks and costs are better. */
interface Place extends Label {
  readonly rank: number;
  readonly cost: number;
}

/** Names longer than this may be broken, in units of their size. */
const LONG = 10;

/** Distance of two lines of a name, in units of their size. */
const LINE = 1.2;

/** Breaks a text at the space nearest to its middle; one without a space stays as it is. */
function twoLines(text: string): string[] {
  const spaces = [...text.matchAll(/ /g)].map(({ index }) => index);
  const off = (index: number) => Math.abs(index - text.length / 2);
  const [at] = spaces.toSorted((a, b) => off(a) - off(b));
  return at === undefined ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Places labels one after the other, without overlap. */
export class Labels {
  readonly texts: string[] = [];
  readonly #taken: Label[] = [];
  readonly #attributes: FilledLandscapeAttributes;
  readonly #box: Box;
  readonly #floor: Floor;

  constructor(attributes: FilledLandscapeAttributes, box: Box, floor: Floor) {
    this.#attributes = attributes;
    this.#box = box;
    this.#floor = floor;
  }

  /** Adds a label centered at a point, unless there is no room for it. */
  tick([x, y]: readonly [number, number], text: string): void {
    const { fontSize } = this.#attributes;
    const label = { x, y, width: labelWidth(text, fontSize), height: fontSize };
    if (this.#isFree(label)) this.#put(label, text, fontSize, {});
  }

  /** Adds a name above the upper end of a vertical edge, which it ends at; returns false if there is no room. */
  head([text, end]: readonly [string, string], [x, y]: readonly [number, number]): boolean {
    const { fontSize } = this.#attributes;
    const { left, right } = this.#box;
    const shown = shortened(text, right - left, fontSize, end);
    const width = textWidth(shown, fontSize);
    const place = { x: inside(x - width / 2, width, left, right), y: y - 1.2 * fontSize };
    const label = { ...place, width, height: fontSize };
    if (!this.#isFree(label)) return false;
    this.#put(label, escapeXml(shown), fontSize, {});
    return true;
  }

  /**
   * Adds the name of an axis beyond its edge: at the place nearest to the middle of the edge that is clear of all labels and of
   * the floor, and farther from the other named edge. If there is none, the name may stand over the floor, then close to a
   * label. A name that has no room near its edge is broken into two lines. Returns false if there is no place.
   *
   * @param name - the name, and what it ends in, which is never shortened
   */
  name(
    [text, end]: readonly [string, string],
    middle: readonly [number, number],
    edge: readonly [number, number],
    other: readonly [number, number],
  ): boolean {
    const size = 1.1 * this.#attributes.fontSize;
    const shown = shortened(text, this.#box.right - this.#box.left, size, end);
    if (shown === '') return false;
    const forms = textWidth(shown, size) > LONG * size ? [[shown], twoLines(shown)] : [[shown]];
    const placed = forms.flatMap((lines) => {
      const width = Math.max(...lines.map((line) => textWidth(line, size)));
      const height = size * (1 + LINE * (lines.length - 1));
      const place = this.#placeFor({ width, height }, middle, edge, other);
      return place === null ? [] : [{ ...place, lines, cost: place.cost + size * (lines.length - 1) }];
    });
    const [best] = placed.toSorted((p, q) => p.rank - q.rank || p.cost - q.cost);
    if (best === undefined) return false;
    const [first, second] = best.lines.map(escapeXml);
    const top = best.y - (LINE * size * (best.lines.length - 1)) / 2;
    // The space is for those who read or search the text.
    const rest = second === undefined ? '' : ` ${el('tspan', { x: best.x, dy: LINE * size }, second)}`;
    this.#put(best, `${first}${rest}`, size, { fontSize: size }, top);
    return true;
  }

  /** Returns the best place of a name, ranked by what it stays clear of and by its distance; null if there is none. */
  #placeFor(
    { width, height }: Pick<Label, 'width' | 'height'>,
    middle: readonly [number, number],
    edge: readonly [number, number],
    other: readonly [number, number],
  ): Place | null {
    const { left, right } = this.#box;
    const size = 1.1 * this.#attributes.fontSize;
    const places = placesAround(middle, edge, width, height, size).map(({ x, y, cost }) => {
      return { x: inside(x, width, left, right), y, cost, width, height };
    });
    const isOwn = (place: Label) => gapTo(place, edge) < gapTo(place, other);
    const isSpaced = (place: Label) => this.#isFree(place, 0.6, 0.5);
    const isClear = (place: Label) => isSpaced(place) && !overlapsFloor(place, this.#floor);
    const tests = [
      (place: Label) => isOwn(place) && isClear(place),
      isClear,
      isSpaced,
      (place: Label) => this.#isFree(place),
    ];
    for (const [rank, test] of tests.entries()) {
      const place = places.find(test);
      if (place !== undefined) return { ...place, rank };
    }
    return null;
  }

  /** True if a label lies inside the picture, at these distances from the others, in units of the size of its text. */
  #isFree({ x, y, width, height }: Label, aside = 0.3, above = 0.15): boolean {
    const { left, right } = this.#box;
    const size = Math.min(height, 1.1 * this.#attributes.fontSize);
    const outside =
      x - width / 2 < Math.min(left, 2) ||
      x + width / 2 > right + 2 ||
      y - height / 2 < 1 ||
      y + height / 2 > this.#attributes.height - 1;
    return (
      !outside &&
      this.#taken.every(
        (other) =>
          Math.abs(x - other.x) >= (width + other.width) / 2 + aside * size ||
          Math.abs(y - other.y) >= (height + other.height) / 2 + above * size,
      )
    );
  }

  /** Draws a text whose first line has its middle at `top`, and keeps its place free of others. */
  #put(label: Label, text: string, size: number, style: object, top = label.y): void {
    this.#taken.push(label);
    const place = { x: label.x, y: top + 0.35 * size, textAnchor: 'middle' };
    this.texts.push(el('text', { ...place, ...style }, text));
  }
}

/**
 * Returns places for a label around the middle of an edge: outward, beside and below it, those first whose near side is
 * closest to it, and that lie straight outward from it.
 */
function placesAround(
  middle: readonly [number, number],
  [u, v]: readonly [number, number],
  width: number,
  height: number,
  size: number,
): { readonly x: number; readonly y: number; readonly cost: number }[] {
  const [du, dv] = [u - middle[0], v - middle[1]];
  const length = Math.hypot(du, dv) || 1;
  const steps = [];
  for (let down = -12; down <= 50; down++) {
    for (let aside = -36; aside <= 36; aside++) {
      const place = { x: u + 0.5 * aside * size, y: v + 0.3 * down * size, width, height };
      const along = Math.abs(du * (place.y - v) - dv * (place.x - u)) / length;
      const isOutward = du * (place.x - u) + dv * (place.y - v) > 0;
      if (isOutward) steps.push({ x: place.x, y: place.y, cost: gapTo(place, [u, v]) + 0.3 * along });
    }
  }
  return steps.toSorted((a, b) => a.cost - b.cost);
}

/** Distance of a point from a label, px; 0 within. */
const gapTo = ({ x, y, width, height }: Label, [u, v]: readonly [number, number]): number =>
  Math.hypot(Math.max(0, Math.abs(u - x) - width / 2), Math.max(0, Math.abs(v - y) - height / 2));

/** True if a label overlaps the floor: unless one side of either has the other beyond it. */
function overlapsFloor({ x, y, width, height }: Label, floor: Floor): boolean {
  const [us, vs] = [floor.map(([u]) => u), floor.map(([, v]) => v)];
  if (Math.min(...us) > x + width / 2 || Math.max(...us) < x - width / 2) return false;
  if (Math.min(...vs) > y + height / 2 || Math.max(...vs) < y - height / 2) return false;
  const corners = [-1, 1].flatMap((i) => [-1, 1].map((j) => [x + (i * width) / 2, y + (j * height) / 2]));
  const middle = [0, 1].map((axis) => floor.reduce((sum, corner) => sum + corner[axis] / 4, 0));
  return floor.every(([u, v], k) => {
    const [nextU, nextV] = floor[(k + 1) % 4];
    const side = (a: number, b: number) => (nextU - u) * (b - v) - (nextV - v) * (a - u);
    const inward = Math.sign(side(middle[0], middle[1]));
    return corners.some(([a, b]) => inward * side(a, b) > 0);
  });
}
