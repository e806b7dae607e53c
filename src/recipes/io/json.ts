import { show } from '../../core/options.ts';
import { isAdaptiveReport, type AdaptiveReport, type LandscapeData } from '../grid/data.ts';

/** A number in JSON, which has no NaN and no infinities. */
export type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

/** A landscape as plain data. */
export interface LandscapeJson {
  readonly format: 'quasi-newton landscape';
  readonly version: 1;
  readonly x: readonly JsonNumber[];
  readonly y: readonly JsonNumber[];
  readonly z: readonly JsonNumber[];
  readonly metrics: Readonly<Record<string, readonly JsonNumber[]>>;
  readonly done: readonly number[];
  readonly loss: JsonNumber;
  readonly center: readonly JsonNumber[];
  readonly directions: readonly (readonly JsonNumber[])[];
  readonly labels: readonly [string, string];
  readonly fingerprint: string;
  readonly adaptive?: AdaptiveReport;
}

/**
 * Converts a landscape to plain data for `JSON.stringify`; {@link landscapeFromJSON} restores it, except for
 * the sign of −0.
 */
export function landscapeToJSON(data: LandscapeData): LandscapeJson {
  const { x, y, z, metrics, done, loss, plane, fingerprint, adaptive } = data;
  return {
    format: 'quasi-newton landscape',
    version: 1,
    x: column(x),
    y: column(y),
    z: column(z),
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, column(values)])),
    done: Array.from(done),
    loss: shown(loss),
    center: column(plane.center),
    directions: plane.directions.map(column),
    labels: plane.labels,
    fingerprint,
    ...(adaptive && { adaptive }),
  };
}

const shown = (value: number): JsonNumber =>
  Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');

const column = (values: Float64Array): JsonNumber[] => Array.from(values, shown);

/**
 * Restores a landscape from the data of {@link landscapeToJSON}, or from their JSON text.
 *
 * @throws SyntaxError if a text is not JSON
 * @throws TypeError naming the field that is missing or wrong
 */
export function landscapeFromJSON(json: LandscapeJson | string): LandscapeData {
  const value: Partial<Record<keyof LandscapeJson, unknown>> | null =
    typeof json === 'string' ? parsed(json) : json;
  if (typeof value !== 'object' || value === null || value.format !== 'quasi-newton landscape') {
    throw new TypeError(`landscapeFromJSON: these are not the data of landscapeToJSON, but ${show(value)}.`);
  }
  if (value.version !== 1) {
    throw new TypeError(`landscapeFromJSON: version ${show(value.version)} cannot be read; only 1 can.`);
  }
  const x = numbers('x', value.x);
  const y = numbers('y', value.y);
  const cells = x.length * y.length;
  const z = numbers('z', value.z, cells);
  const metrics = Object.fromEntries(
    Object.entries(value.metrics ?? {}).map(([name, values]) => [
      name,
      numbers(`metrics.${name}`, values, cells),
    ]),
  );
  const done = Uint8Array.from(numbers('done', value.done, cells));
  const center = numbers('center', value.center);
  const { directions, labels, fingerprint, adaptive } = value;
  if (!Array.isArray(directions) || (directions.length !== 1 && directions.length !== 2)) {
    throw wrong('directions', 'one or two arrays', directions);
  }
  if (!Array.isArray(labels) || labels.length !== 2) throw wrong('labels', 'two names', labels);
  if (typeof fingerprint !== 'string') throw wrong('fingerprint', 'a string', fingerprint);
  if (adaptive !== undefined && !isAdaptiveReport(adaptive)) {
    throw wrong('adaptive', 'the report of an adaptive grid', adaptive);
  }
  const [loss] = numbers('loss', [value.loss]);
  return {
    x,
    y,
    z,
    metrics,
    done,
    loss,
    plane: {
      center,
      directions: directions.map((d, k) => numbers(`directions[${k}]`, d, center.length)),
      labels: [String(labels[0]), String(labels[1])],
    },
    fingerprint,
    ...(adaptive && { adaptive }),
  };
}

function parsed(text: string): LandscapeJson {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(
      `landscapeFromJSON: the text is not JSON: ${cause instanceof Error ? cause.message : ''}`,
      {
        cause,
      },
    );
  }
}

const wrong = (field: string, allowed: string, got: unknown) =>
  new TypeError(`landscapeFromJSON: ${field} must be ${allowed}, got ${show(got)}.`);

function numbers(field: string, given: unknown, length?: number): Float64Array {
  if (!Array.isArray(given)) throw wrong(field, 'an array of numbers', given);
  if (length !== undefined && given.length !== length) {
    throw new TypeError(`landscapeFromJSON: ${field} has ${given.length} values; it must have ${length}.`);
  }
  const words = ['NaN', 'Infinity', '-Infinity'];
  const bad = given.findIndex((value) => typeof value !== 'number' && !words.includes(value));
  if (bad >= 0) throw wrong(`${field}[${bad}]`, `a number or one of ${words.join(', ')}`, given[bad]);
  return Float64Array.from(given, Number);
}
