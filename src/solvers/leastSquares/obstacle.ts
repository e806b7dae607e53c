import { firstNonFinite } from '../../core/vector.ts';

/** Elements of x that a message shows. */
const SHOWN = 6;

/** Describes the first element of residuals or of a Jacobian, `[m, n]`, that is not finite. */
export function obstacleIn(
  name: 'residuals' | 'jacobian' | 'vectorJacobian',
  values: Float64Array,
  x: Float64Array,
): string {
  const at = firstNonFinite(values);
  if (at < 0) return '';
  const n = x.length;
  const place = {
    residuals: `Residual ${at}`,
    jacobian: `The Jacobian at row ${Math.floor(at / n)}, column ${at % n},`,
    vectorJacobian: `Element ${at} of vectorJacobian`,
  };
  return `${place[name]} is ${values[at]} at x = ${showPoint(x)}.`;
}

/** Describes a column without finite differences. */
export const obstacleOfColumn = (column: number, x: Float64Array): string =>
  `Residuals are not finite on either side of x[${column}] at x = ${showPoint(x)}.`;

function showPoint(x: Float64Array): string {
  const shown = Array.from(x.subarray(0, SHOWN), (value) => String(Number(value.toPrecision(6))));
  return `[${shown.join(', ')}${x.length > SHOWN ? ', …' : ''}]`;
}
