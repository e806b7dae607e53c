import * as tf from '@tensorflow/tfjs';
import { layoutOf } from '../../../core/layout.ts';
import { show } from '../../../core/options.ts';
import { checkLength, type ParamSet } from '../../../core/paramSet.ts';
import { inPlaceWriter } from '../internals/wasmHeap.ts';
import { readJoined, readNow } from './read.ts';
import { modelWeights, type VariableSpec } from './modelWeights.ts';

/** tfjs variables as one flat vector. */
export interface TfParamSet extends ParamSet {
  readonly variables: readonly tf.Variable[];
  /** `vector ← set`, asynchronously, with one concatenation and one read. */
  read(vector: Float64Array): Promise<Float64Array>;
}

/**
 * Presents variables, or a model's trainable weights, as one flat vector, in their order.
 *
 * The variables are referenced, not copied: the set always reads and writes their current values.
 *
 * @param source - float32 variables, or a built model
 * @throws TypeError naming everything that is not a float32 variable, is disposed, or occurs twice
 * @throws RangeError if there are none
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { tfParams } from 'quasi-newton/tfjs';
 *
 * const w = tf.variable(tf.tensor2d([[1, 2], [3, 4]]));
 * const b = tf.variable(tf.scalar(5));
 * const params = tfParams([w, b]);
 * const vector = params.copyInto(params.zeros()); // [1, 2, 3, 4, 5]
 * params.copyFrom(vector.map((p) => 2 * p)); // w and b are doubled
 * ```
 */
export function tfParams(source: readonly tf.Variable[] | tf.LayersModel): TfParamSet {
  if (!Array.isArray(source) && !Array.isArray((source as Partial<tf.LayersModel>)?.trainableWeights)) {
    throw new TypeError(`tfParams: source must be variables or a model, got ${show(source)}.`);
  }
  const specs = Array.isArray(source) ? source.map(specOf) : modelWeights(source as tf.LayersModel);
  const variables = specs.map(({ variable }) => variable);
  checkVariables(variables);
  const layout = layoutOf(specs);
  const { length, tensors } = layout;
  return {
    length,
    layout,
    variables,
    zeros: () => new Float64Array(length),
    copyInto(vector) {
      checkLength('copyInto: vector', vector, length);
      checkAlive(variables);
      // One read per tensor: on cpu and wasm, a read is a copy at memory speed and costs far less than
      // joining the tensors first.
      for (let i = 0; i < variables.length; i++) vector.set(readNow(variables[i]), tensors[i].offset);
      return vector;
    },
    async read(vector) {
      checkLength('read: vector', vector, length);
      checkAlive(variables);
      vector.set(await readJoined(variables));
      return vector;
    },
    copyFrom(vector) {
      checkLength('copyFrom: vector', vector, length);
      checkAlive(variables);
      const writeInPlace = inPlaceWriter();
      for (let i = 0; i < variables.length; i++) {
        const { offset } = tensors[i];
        if (!writeInPlace?.(variables[i], vector, offset)) assign(variables[i], vector, offset);
      }
    },
  };
}

/** Assigns the values from `vector[offset]` on to a variable, as new data. */
function assign(variable: tf.Variable, vector: ArrayLike<number>, offset: number): void {
  // The cpu backend keeps the array, so it must be a new one that is never modified.
  const values = new Float32Array(variable.size);
  for (let j = 0; j < values.length; j++) values[j] = vector[offset + j];
  const tensor = tf.tensor(values, variable.shape, 'float32');
  variable.assign(tensor);
  tensor.dispose();
}

/** Returns the set itself, or one created from variables or a model. */
export function paramSet(pars: TfParamSet | readonly tf.Variable[] | tf.LayersModel): TfParamSet {
  return typeof pars === 'object' && pars !== null && 'copyInto' in pars ? pars : tfParams(pars);
}

function specOf(variable: tf.Variable): VariableSpec {
  return { variable, name: variable?.name, shape: variable?.shape ?? [] };
}

function checkVariables(variables: readonly tf.Variable[]): void {
  if (variables.length === 0) {
    throw new RangeError(
      'tfParams: there are no variables; a model must be built and have trainable weights.',
    );
  }
  const seen = new Set<number>();
  const faults = variables.flatMap((variable, i) => {
    if (!(variable instanceof tf.Variable)) return [`[${i}] is ${show(variable)}, not a tf.Variable.`];
    const name = `[${i}] ("${variable.name}")`;
    if (variable.isDisposed) return [`${name} is disposed.`];
    if (variable.dtype !== 'float32') return [`${name} has dtype ${variable.dtype}; it must be float32.`];
    if (seen.has(variable.id)) return [`${name} comes twice.`];
    seen.add(variable.id);
    return [];
  });
  if (faults.length > 0) throw new TypeError(`tfParams: ${faults.join('\n  ')}`);
}

/** Throws a RangeError naming every variable that has been disposed since the set was created. */
function checkAlive(variables: readonly tf.Variable[]): void {
  if (variables.every(({ isDisposed }) => !isDisposed)) return;
  const names = variables.filter(({ isDisposed }) => isDisposed).map(({ name }) => `"${name}"`);
  throw new RangeError(
    `tfParams: ${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} disposed; make a new set.`,
  );
}
