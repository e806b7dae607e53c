/**
 * A landscape prepared for drawing: transformed values, the range of colors, and levels.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import { norm2 } from '../../core/vector.ts';
import { axisOf, type Axis } from './axes.ts';
import { colorMap, type ColorMap } from './color.ts';
import { columnOf, type FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { drawableSize, quantileSorted, robustLimits, sortedFinite } from '../grid/statistics.ts';
import { transformOf, type Transform, type ValueScale } from '../grid/valueScale.ts';
import { endOf, offsetOf } from './offset.ts';
import { symlogTicks, type Tick } from './ticks.ts';
import type { AxisScale } from './attributes.ts';
import type { AdaptiveReport, LandscapeData } from '../grid/data.ts';
import type { Grid } from './upsample.ts';

/** The transformed values to draw. */
export interface Field extends Grid {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Transformed values; NaN where they are not finite or have no logarithm. */
  readonly values: Float64Array;
  /** Values in the user's units. */
  readonly raw: Float64Array;
  /** Transformed values at both ends of the colors. */
  readonly low: number;
  readonly high: number;
  /** True if both axes have the same unit: a step along either moves the parameters equally far. */
  readonly oneUnit: boolean;
  /** True if values lie below `low`, above `high`. */
  readonly below: boolean;
  readonly above: boolean;
  /** Name of the values on their axis. */
  readonly label: string;
  readonly color: ColorMap;
  readonly transform: Transform;
  /** Sentence on the work and errors of an adaptive grid; empty for other grids. */
  readonly note: string;
}

/**
 * Returns the field of a landscape, or of one of its metrics.
 *
 * @throws RangeError if there is no value that can be drawn
 */
export function fieldOf(data: LandscapeData, attributes: FilledLandscapeAttributes): Field {
  const { metric, zscale, zlabel, clims, color } = attributes;
  const raw = columnOf(data, metric);
  const transform = transformOf(zscale, sortedFinite(raw));
  // Larger values count as infinite, because their differences overflow.
  const values = raw.map((value) => (Math.abs(value) <= drawableSize ? transform.apply(value) : NaN));
  const finite = sortedFinite(values);
  if (finite.length === 0) {
    const hint = zscale === 'linear' ? '' : ` under zscale '${zscale}'`;
    throw new RangeError(`there is nothing to draw: no value of this landscape is finite${hint}.`);
  }
  const [low, high] = limitsOf(finite, clims, transform);
  if (!Number.isFinite(low)) {
    throw new RangeError(`clims: must lie where zscale '${zscale}' is defined, got ${show(clims)}.`);
  }
  // On a log scale, a loss of 0 has the lowest color; infinite values and NaN have none.
  for (let cell = 0; cell < values.length; cell++) {
    if (values[cell] === -Infinity && Number.isFinite(raw[cell])) values[cell] = Math.min(low, finite[0]);
    else if (!Number.isFinite(values[cell])) values[cell] = NaN;
  }
  // A flat landscape also needs a range, for its single color; differences below rounding mean nothing.
  const size = Math.max(Math.abs(low), Math.abs(high), 1e-270);
  const flat = !(high - low > 1e-10 * size);
  return {
    nx: data.x.length,
    ny: data.y.length,
    x: data.x,
    y: data.y,
    values,
    raw,
    oneUnit: haveOneUnit(data.plane),
    low,
    high: flat ? low + (size > 1e-270 ? 1e-3 * size : 1) : high,
    below: !flat && finite[0] < low,
    above: !flat && finite[finite.length - 1] > high,
    label: zscale === 'log1p' ? `log₁₀(1 + ${zlabel})` : zlabel,
    color: colorMap(color),
    transform,
    note: data.adaptive === undefined ? '' : noteOn(data.adaptive),
  };
}

/** Returns the transformed values at both ends of the colors. */
function limitsOf(
  finite: readonly number[],
  clims: FilledLandscapeAttributes['clims'],
  { apply }: Transform,
): readonly number[] {
  if (clims === 'data') return [finite[0], finite[finite.length - 1]];
  return clims === 'robust' ? robustLimits(finite) : clims.map(apply);
}

function noteOn({ evaluations, of, estimatedError }: AdaptiveReport): string {
  const error = `an estimated error of ${estimatedError.toPrecision(2)} color bands at most`;
  return `Adaptive grid: ${evaluations} of ${of} points evaluated, the others predicted with ${error}.`;
}

function haveOneUnit({ directions }: LandscapeData['plane']): boolean {
  const [a, b] = directions.map(norm2);
  return a > 0 && Math.abs(a - b) <= 1e-6 * a;
}

/** Returns the transformed values between the bands, ascending, all inside (low, high). */
export function levelsOf(
  field: Field,
  { levels, levelSpacing }: Pick<FilledLandscapeAttributes, 'levels' | 'levelSpacing'>,
): number[] {
  const { low, high, values, transform } = field;
  if (typeof levels !== 'number') return levels.map(transform.apply).filter(Number.isFinite);
  const inner = Array.from({ length: levels - 1 }, (_, k) => (k + 1) / levels);
  if (levelSpacing === 'uniform') return inner.map((t) => low + t * (high - low));
  const sorted = sortedFinite(values);
  const quantiles = inner.map((t) => quantileSorted(sorted, t));
  return quantiles.filter((level, k) => level > low && level < high && (k === 0 || level > quantiles[k - 1]));
}

/** Returns the color of a transformed value. */
export function colorAt({ low, high, color }: Field, value: number): string {
  return color(Math.min(1, Math.max(0, (value - low) / (high - low))));
}

/** Returns the kind and the domain of the field's values, in the user's units unless zscale is `'log1p'`. */
function valueDomain(
  { low, high, transform }: Field,
  zscale: ValueScale,
): readonly [kind: AxisScale, domain: readonly [number, number]] {
  if (zscale === 'log') return ['log', [10 ** low, 10 ** high]];
  return ['linear', zscale === 'symlog' ? [transform.invert(low), transform.invert(high)] : [low, high]];
}

/** Returns the name of the transformed values. */
export function transformedName({ label, transform }: Field, zscale: ValueScale): string {
  if (zscale === 'symlog') return `±log₁₀(1 + |${label}| / ${transform.threshold})`;
  return zscale === 'log' ? `log₁₀ ${label}` : label;
}

/** Returns what the name of the field's values ends in on a {@link valueAxis}, which tells the offset of its labels. */
export function valueNameEnd(field: Field, zscale: ValueScale): string {
  return endOf(field.label, offsetOf(valueDomain(field, zscale)[1]));
}

/** Returns the name of the field's values on a {@link valueAxis}, less the offset of its labels. */
export function valueName(field: Field, zscale: ValueScale): string {
  return field.label + valueNameEnd(field, zscale);
}

/**
 * Returns an axis of the field's transformed values over `range`, px, with ticks in the user's units.
 *
 * @param offset - as in {@link TickOptions}
 */
export function valueAxis(
  field: Field,
  zscale: ValueScale,
  range: readonly [number, number],
  fontSize = 14,
  offset = true,
): Axis {
  const { low, high, transform } = field;
  const [kind, domain] = valueDomain(field, zscale);
  const { ticks, at } = axisOf(kind, domain, range, { fontSize, offset });
  if (zscale === 'symlog') {
    const most = Math.max(3, Math.round(Math.abs(range[1] - range[0]) / (3 * fontSize)));
    const powers = symlogTicks(low, high, transform, most);
    const even = ticks.map(({ value, label }): Tick => ({ value: transform.apply(value), label }));
    return { ...axisOf('linear', [low, high], range), ticks: powers.length > 1 ? powers : even };
  }
  if (zscale !== 'log') return { kind, domain, range, ticks, at };
  return {
    kind: 'linear',
    domain: [low, high],
    range,
    ticks: ticks.map(({ value, label }): Tick => ({ value: Math.log10(value), label })),
    at: (v) => at(10 ** v),
  };
}
