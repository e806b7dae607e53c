import { explain } from 'quasi-newton/onnx';

/** @import { ModelFile } from './modelFile.js' */

/** True if two models hold constant tensors of the same names and shapes. @type {(a: ModelFile, b: ModelFile) => boolean} */
export const sameLayout = (a, b) => layoutOf(a) === layoutOf(b);

/** @param {ModelFile} file */
const layoutOf = ({ bytes, externalData }) =>
  JSON.stringify(explain(bytes, { externalData }).parameters.map(({ name, shape }) => [name, shape]));
