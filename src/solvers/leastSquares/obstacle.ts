import { firstNonFinite } from '../../core/vector.ts';

/** Elements of x that a message shows. */
const SHOWN = 6;

/** A method whose answer is looked at. */
type Method =
  | 'residuals'
  | 'jacobian'
  | 'vectorJacobian'
  | 'jacobianVector'
  | 'jacobianGram'
  | 'hessianVector';

/**
 * Describes the first element of an answer at x that is not finite; empty if there is none.
 *
 * @param values - residuals `[m]`, a Jacobian `[m, n]`, JJᵀ `[m, m]` or a product
 */
export function obstacleIn(name: Method, values: Float64Array, x: Float64Array): string {
  const at = firstNonFinite(values);
  if (at < 0) return '';
  return `${placeOf(name, at, values.length, x.length)} is ${values[at]} at x = ${showPoint(x)}.`;
}

function placeOf(name: Method, at: number, length: number, n: number): string {
  const inMatrix = (columns: number): string => `row ${Math.floor(at / columns)}, column ${at % columns},`;
  if (name === 'residuals') return `Residual ${at}`;
  if (name === 'jacobian') return `The Jacobian at ${inMatrix(n)}`;
  if (name === 'jacobianGram') return `jacobianGram at ${inMatrix(Math.sqrt(length))}`;
  return `Element ${at} of ${name}`;
}

/** Describes a column without finite differences. */
export const obstacleOfColumn = (column: number, x: Float64Array): string =>
  `Residuals are not finite on either side of x[${column}] at x = ${showPoint(x)}.`;

function showPoint(x: Float64Array): string {
  const shown = Array.from(x.subarray(0, SHOWN), (value) => String(Number(value.toPrecision(6))));
  return `[${shown.join(', ')}${x.length > SHOWN ? ', …' : ''}]`;
}
