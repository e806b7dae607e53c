import { rgb } from 'd3-color';

/** Colors of text, frame and grid that are visible on a background. */
export interface Ink {
  readonly text: string;
  readonly frame: string;
  readonly grid: string;
}

const onLight: Ink = { text: '#222', frame: '#333', grid: '#e4e4e4' };
const onDark: Ink = { text: '#e8e8e8', frame: '#bbb', grid: '#444' };

/** Returns the colors for a background: light on dark ones; dark on light, transparent and unknown ones. */
export function inkOn(background: string): Ink {
  const { r, g, b, opacity } = rgb(background);
  const light = 0.299 * r + 0.587 * g + 0.114 * b;
  return opacity > 0.5 && light < 110 ? onDark : onLight;
}

/** Returns a color with this opacity, as `rgba(…)`; a color in an unknown format is returned unchanged. */
export function faded(color: string, opacity: number): string {
  const parsed = rgb(color);
  return Number.isNaN(parsed.r) ? color : String(parsed.copy({ opacity }));
}
