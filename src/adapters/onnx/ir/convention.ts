/**
 * Names of the inputs and outputs of a graph made by `differentiate`, in one place.
 *
 * - inputs: the model's own data inputs; the targets of the loss, if it needs any; then one plain input for
 *   each parameter, under its initializer's name, or one beginning with `inner/` where an output has that name. With
 *   `noise: 'fed'`, the random numbers of a node, `noise_of/OUTPUT`, stand before the parameters.
 * - outputs: `loss`, a scalar; then for each parameter, or each input or inner value in `wrt`, `grad_of/NAME`, of its shape;
 *   then, with `hessianVector`, `hessian_vector_of/NAME`; then the batch statistics of BatchNormalization
 *   nodes in training mode, `batch_of/NAME`; then the values named in `keep`.
 *
 * @module
 */

/** Name of the output that holds the loss, a scalar. */
export const lossName = 'loss';

/** Name of the input for the target, if the loss needs one. */
export const targetName = 'target';

/** Name of the input for the target of one of several outputs. */
export const targetNameOf = (output: string): string => `${targetName}/${output}`;

/** Name of the input that holds a weight for each sample. */
export const sampleWeightName = 'sample_weight';

/** Name of the input for the sample weights of one of several outputs. */
export const sampleWeightNameOf = (output: string): string => `${sampleWeightName}/${output}`;

/** Name of the output that holds the gradient with respect to `name`. */
export const gradientNameOf = (name: string): string => `grad_of/${name}`;

/** Name of the input that holds the elements of v, in H·v, that belong to parameter `name`. */
export const vectorNameOf = (name: string): string => `vector_of/${name}`;

/** Name of the output that holds the elements of H·v that belong to `name`. */
export const hessianVectorNameOf = (name: string): string => `hessian_vector_of/${name}`;

/** Name of the output that holds the mean or variance of this batch; `name` is the running statistic. */
export const batchStatisticNameOf = (name: string): string => `batch_of/${name}`;

/** Name of the input that holds the random numbers of the node whose first output is `name`. */
export const noiseNameOf = (name: string): string => `noise_of/${name}`;

/** Name of the input that holds k values of parameter `name`, in the graph of many losses. */
export const manyOf = (name: string): string => `many_of/${name}`;

/** Name of the output that holds the k losses in that graph. */
export const manyLosses = 'many_losses';
