/**
 * State of a network besides its parameters: the moving statistics of batch normalization.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import type { Layout } from '../../core/layout.ts';

const normalization = /batch_?norm|(^|[./_])bn\d*([./_]|$)/i;
const moving = /(moving|running)_(mean|var)/i;

/**
 * Refuses a layout that has scales or offsets of batch normalization without its moving statistics.
 *
 * A loss in inference mode reads these. Between two models it would keep those of the first, and its value at the second
 * model would not be the second model's loss.
 *
 * @throws RangeError
 */
export function checkStatistics(where: string, { tensors }: Layout): void {
  const scale = tensors.find(({ name }) => normalization.test(name) && !moving.test(name));
  if (scale === undefined || tensors.some(({ name }) => moving.test(name))) return;
  throw new RangeError(
    `${where}: directions between models: ${show(scale.name)} belongs to batch normalization, whose moving statistics are not among the parameters. A loss in inference mode reads them, and at the other models they would still be those of the first. Interpolate all weights, tfParams(model.weights.map((weight) => weight.read())); or give modelProblem(model, x, y), whose loss takes the statistics of its batch; or keep those of the first model with statistics: 'fixed'.`,
  );
}
