import { attributesLess, less, pageOffsets, type PageOffsets } from './pageOffsets.ts';
import { domainsOf, type MapFigure } from './mapSvg.ts';

/** Returns a map less the offsets of its axes, and these. */
export function mapLess(figure: MapFigure): { readonly figure: MapFigure; readonly offsets: PageOffsets } {
  const { field, kind, attributes } = figure;
  const [x, y] = domainsOf(field, kind);
  const offsets = pageOffsets(x, y);
  const paths = attributes.paths.map(({ path, ...named }) => ({
    ...named,
    path: { ...path, x: less(path.x, offsets.x), y: less(path.y, offsets.y) },
  }));
  return {
    figure: {
      ...figure,
      field: { ...field, x: less(field.x, offsets.x), y: less(field.y, offsets.y) },
      attributes: { ...attributesLess(attributes, offsets), paths },
    },
    offsets,
  };
}
