import { checkOptions, show, type Rules } from '../../core/options.ts';
import { landscapeFor } from '../landscape/landscape.ts';
import { landscapeRules, type LandscapeOptions } from '../landscape/options.ts';
import { checkParams, isParamSet, type Loss } from '../landscape/lossSource.ts';
import { checkMetric, type LandscapeAttributes } from './landscapeAttributes.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { Problem } from '../../core/problem.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { Plot } from './plot.ts';

/** Draws a landscape that is already evaluated, or a loss that is evaluated first. */
export interface LandscapePlot<Attributes> {
  (data: LandscapeData, attributes?: Attributes): Plot;
  (loss: Loss, params: ParamSet, attributes?: Attributes & LandscapeOptions): Plot;
  (problem: Problem, params?: ParamSet | null, attributes?: Attributes & LandscapeOptions): Plot;
  (problem: Problem, attributes?: Attributes & LandscapeOptions): Plot;
}

/**
 * Creates a drawing function with the arguments of FluxOptTools' recipe: either data and attributes, or a
 * loss, its parameters, and attributes for both evaluation and drawing.
 *
 * @param rules - rules of the attributes
 */
export function landscapePlot<Attributes extends LandscapeAttributes>(
  where: string,
  rules: Rules<Attributes>,
  draw: (data: LandscapeData, attributes: Attributes) => Plot,
): LandscapePlot<Attributes> {
  return (source: LandscapeData | Loss | Problem, ...rest: readonly unknown[]): Plot => {
    checkParams(where, source, rest[0]);
    const params = rest.find(isParamSet);
    if (isLandscape(source)) {
      const given = rest.find((value) => value !== undefined);
      const attributes = (given === undefined ? {} : given) as Attributes;
      checkOptions<object>(where, attributes, rules);
      checkMetric(where, source, attributes.metric);
      return draw(source, attributes);
    }
    const attributes: object =
      rest.find((value): value is object => value !== undefined && value !== null && !isParamSet(value)) ??
      {};
    if (
      typeof source !== 'function' &&
      (typeof source !== 'object' || source === null || !('fg' in source))
    ) {
      const advice = (source as unknown) instanceof Promise ? '; await it first' : '';
      throw new TypeError(
        `${where}: needs a landscape, a loss () => number or a problem, got ${show(source)}${advice}.`,
      );
    }
    checkOptions<object>(where, attributes, { ...landscapeRules, ...rules });
    const [evaluation, drawing] = parted(attributes);
    const data = landscapeFor(where, source, params, evaluation);
    checkMetric(where, data, (drawing as Attributes).metric);
    return draw(data, drawing as Attributes);
  };
}

const evaluates = ([name]: [string, unknown]) => Object.hasOwn(landscapeRules, name);

/** Splits attributes into those for evaluation and those for drawing. */
function parted(attributes: object): [LandscapeOptions, object] {
  const entries = Object.entries(attributes);
  return [
    Object.fromEntries(entries.filter(evaluates)),
    Object.fromEntries(entries.filter((entry) => !evaluates(entry))),
  ];
}

const isLandscape = (value: unknown): value is LandscapeData =>
  typeof value === 'object' && value !== null && 'z' in value && 'plane' in value;
