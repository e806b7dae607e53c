import {
  interpolateCividis,
  interpolateInferno,
  interpolateMagma,
  interpolatePlasma,
  interpolateTurbo,
  interpolateViridis,
} from 'd3-scale-chromatic';
import { show, type Rule } from '../../core/options.ts';

/** Color of a value t in [0, 1]. */
export type ColorMap = (t: number) => string;

const maps = {
  turbo: hex(interpolateTurbo),
  viridis: hex(interpolateViridis),
  magma: hex(interpolateMagma),
  inferno: hex(interpolateInferno),
  plasma: hex(interpolatePlasma),
  cividis: hex(interpolateCividis),
} as const satisfies Record<string, ColorMap>;

/** Names of the color maps; all but turbo are even in lightness and safe for the color-blind. */
export type ColorMapName = keyof typeof maps;

const isName = (name: unknown): name is ColorMapName => typeof name === 'string' && name in maps;

export const colorRule: Rule = {
  allowed: `one of ${Object.keys(maps).join(', ')}, or a function from [0, 1] to a color`,
  accepts: (v) => typeof v === 'function' || isName(v),
};

/** Returns the color map with this name, or the function itself. */
export function colorMap(color: ColorMapName | ColorMap): ColorMap {
  if (typeof color === 'function') return color;
  if (isName(color)) return maps[color];
  throw new RangeError(`color: must be ${colorRule.allowed}, got ${show(color)}.`);
}

/** Eight colors that color-blind readers can distinguish (Okabe and Ito 2008), for the lines of a figure. */
const palette = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#e69f00',
  '#444444',
  '#8a6bbf',
] as const;

/** Returns the color of the k-th line. */
export const lineColor = (k: number): string => palette[k % palette.length];

const dashes = [
  { svg: undefined, plotly: 'solid' },
  { svg: '7 4', plotly: 'dash' },
  { svg: '2 3', plotly: 'dot' },
  { svg: '9 3 2 3', plotly: 'dashdot' },
  { svg: '14 5', plotly: 'longdash' },
] as const;

/** Returns the dash pattern of the k-th line: each pattern is used with all colors, which distinguishes 40 lines. */
export const lineDash = (k: number) => dashes[Math.floor(k / palette.length) % dashes.length];

/** Dash pattern of lines on the right axis. */
export const rightDash = { svg: '6 4', plotly: 'dash' } as const;

/** Returns the Vega-Lite encoding that gives each of these names its dash pattern. */
export const vegaDash = (names: readonly string[]) => ({
  field: 'name',
  type: 'nominal',
  sort: null,
  legend: null,
  scale: { domain: names, range: names.map((_, k) => (lineDash(k).svg ?? '1 0').split(' ').map(Number)) },
});

/** Wraps a color map to return six hexadecimal digits. d3 returns 'rgb(1, 2, 3)' or '#010203', depending on the map. */
function hex(map: ColorMap): ColorMap {
  return (t) => {
    const color = map(Math.min(1, Math.max(0, t)));
    const parts = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(color);
    if (parts === null) return color;
    return `#${parts
      .slice(1)
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join('')}`;
  };
}
