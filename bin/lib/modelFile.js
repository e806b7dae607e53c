// A model's file, and the files that its weights lie in where they are not in it, as torch writes large models.
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import { BadInput, messageOf } from './badInput.js';
import { fileAt } from './table.js';

/**
 * @typedef {object} ModelFile
 * @property {Uint8Array} bytes
 * @property {Record<string, Uint8Array>} externalData - by the location that the model names
 */

/**
 * Reads a model, and what it keeps beside it.
 *
 * @param {string} path
 * @returns {Promise<ModelFile>}
 * @throws BadInput if a file is not there, or the model names one outside of its folder
 */
export async function modelAt(path) {
  const bytes = new Uint8Array(await fileAt(path, 'model'));
  const read = (/** @type {string} */ location) => [location, besides(path, location)];
  return { bytes, externalData: Object.fromEntries(locationsIn(bytes).map(read)) };
}

/** @type {(path: string, location: string) => Uint8Array} */
function besides(path, location) {
  const inside = normalize(location);
  if (isAbsolute(inside) || inside.startsWith('..'))
    throw new BadInput(
      `model: ${path} keeps weights in ${location}, outside of its folder; that is not read.`,
    );
  try {
    return new Uint8Array(readFileSync(join(dirname(path), inside)));
  } catch (error) {
    throw new BadInput(`model: ${path} keeps weights in ${location} beside it: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/**
 * The files that a model's tensors lie in; none if its bytes cannot be read.
 *
 * @param {Uint8Array} bytes
 */
function locationsIn(bytes) {
  try {
    const tensors = fromBinary(ModelProtoSchema, bytes).graph?.initializer ?? [];
    const outside = tensors.filter(({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL);
    const locations = outside.map(
      ({ externalData }) => externalData.find(({ key }) => key === 'location')?.value,
    );
    return [...new Set(locations.filter((location) => location !== undefined))];
  } catch {
    return [];
  }
}
