/**
 * Attributes of the ops of ONNX.
 *
 * @module
 */

/** Attributes by name; undefined ones are left out. */
export type OpAttributes = Readonly<
  Record<string, number | string | readonly number[] | readonly string[] | undefined>
>;

/** Attributes that are floats in ONNX's standard ops; all other numbers are integers. */
export const floatAttributes: ReadonlySet<string> = new Set(
  `activation_alpha activation_beta alpha beta bias clip cubic_coeff_a epsilon extrapolation_value gamma high lambd low max mean
   min momentum ratio scale softcap spatial_scale swiglu_limit threshold value value_float value_floats`.split(
    /\s+/,
  ),
);

/** A window that moves over an image. */
export type OpWindow = {
  readonly kernel_shape?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly auto_pad?: string | undefined;
};

/** Attributes of a convolution. */
export type ConvolutionAttributes = OpWindow & { readonly group?: number | undefined };

/** Attributes of a transposed convolution. */
export type TransposedAttributes = ConvolutionAttributes & {
  readonly output_padding?: readonly number[] | undefined;
};

/** Attributes of an interpolation. */
export type ResizeAttributes = {
  readonly axes?: readonly number[] | undefined;
  readonly mode?: string | undefined;
  readonly coordinate_transformation_mode?: string | undefined;
  readonly nearest_mode?: string | undefined;
};
