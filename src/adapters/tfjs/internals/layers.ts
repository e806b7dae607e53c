import type * as tf from '@tensorflow/tfjs';

type Layer = tf.layers.Layer;

/** Returns the layers of a model, including those inside nested models and wrappers. */
export function allLayers(layers: readonly Layer[]): Layer[] {
  return layers.flatMap((layer) => {
    const inside = insideOf(layer);
    // A wrapper comes before its contents, so the innermost owner of a weight comes last and wins.
    return [layer, ...allLayers(inside)];
  });
}

/** Returns the layers inside a nested model, a Bidirectional, a TimeDistributed or an RNN. */
function insideOf(layer: Layer): Layer[] {
  const parts = layer as unknown as {
    layers?: Layer[];
    layer?: Layer;
    forwardLayer?: Layer;
    backwardLayer?: Layer;
    cell?: Layer;
  };
  const { layers = [], layer: wrapped, forwardLayer, backwardLayer, cell } = parts;
  return [...layers, ...[wrapped, forwardLayer, backwardLayer, cell].filter((part) => part !== undefined)];
}
