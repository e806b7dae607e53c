import { checkOptions } from '../../core/options.ts';
import { fieldOf } from '../plots/field.ts';
import {
  fillAttributes,
  landscapeAttributeRules,
  checkMetric,
  type LandscapeAttributes,
} from '../plots/landscapeAttributes.ts';
import type { LandscapeData } from '../grid/data.ts';

/** Attributes that apply to a 3D file: `metric`, `zscale` and `clims`. */
export type MeshAttributes = Pick<LandscapeAttributes, 'metric' | 'zscale' | 'clims'>;

interface Mesh {
  /** x, y, height of each point; heights are scaled to the width of the grid. */
  readonly points: readonly (readonly [number, number, number])[];
  /** Four point indices each, counted from 0. */
  readonly quads: readonly (readonly [number, number, number, number])[];
}

/**
 * Writes a landscape as a Wavefront OBJ mesh, for any 3D tool. Cells without a finite value are holes.
 *
 * @throws RangeError for a landscape in one dimension, or without values
 */
export function toOBJ(data: LandscapeData, attributes: MeshAttributes = {}): string {
  const { points, quads } = meshOf('toOBJ', data, attributes);
  const vertices = points.map(([x, y, z]) => `v ${x} ${y} ${z}`);
  const faces = quads.map((quad) => `f ${quad.map((k) => k + 1).join(' ')}`);
  return ['# loss landscape', 'o landscape', ...vertices, ...faces, ''].join('\n');
}

/**
 * Writes a landscape as a VTK PolyData file (.vtp) for ParaView: the mesh, with the raw loss and every metric
 * as point data. Arrays are binary, which preserves non-finite values; VTK refuses them as text.
 *
 * @throws RangeError for a landscape in one dimension, or without values
 */
export function toVTP(data: LandscapeData, attributes: MeshAttributes = {}): string {
  const { points, quads } = meshOf('toVTP', data, attributes);
  const columns = Object.entries({ loss: data.z, ...data.metrics });
  return `<?xml version="1.0"?>
<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt32">
<PolyData>
<Piece NumberOfPoints="${points.length}" NumberOfPolys="${quads.length}">
<PointData Scalars="loss">
${columns.map(([name, values]) => array(name.replaceAll(/[^\w.-]/g, '_'), values)).join('\n')}
</PointData>
<Points>
${array('points', Float64Array.from(points.flat()), 3)}
</Points>
<Polys>
${array('connectivity', Int32Array.from(quads.flat()))}
${array(
  'offsets',
  Int32Array.from(quads, (_, k) => 4 * (k + 1)),
)}
</Polys>
</Piece>
</PolyData>
</VTKFile>
`;
}

/** Returns a DataArray element: the length in bytes and the bytes, in base64. */
function array(name: string, values: Float64Array | Int32Array, components = 1): string {
  const bytes = new Uint8Array(4 + values.byteLength);
  new DataView(bytes.buffer).setUint32(0, values.byteLength, true);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 4);
  const type = values instanceof Float64Array ? 'Float64' : 'Int32';
  return `<DataArray type="${type}" Name="${name}" NumberOfComponents="${components}" format="binary">${base64(bytes)}</DataArray>`;
}

function base64(bytes: Uint8Array): string {
  let text = '';
  // In chunks of a multiple of 3, which need no padding, and short enough for an argument list.
  for (let i = 0; i < bytes.length; i += 6144) {
    text += btoa(String.fromCharCode(...bytes.subarray(i, i + 6144)));
  }
  return text;
}

function meshOf(where: string, data: LandscapeData, attributes: MeshAttributes): Mesh {
  checkOptions<LandscapeAttributes>(where, attributes, landscapeAttributeRules);
  if (data.y.length < 2)
    throw new RangeError(`${where}: this landscape has one dimension; a mesh needs two.`);
  checkMetric(where, data, attributes.metric);
  const { x, y, values, low, high, nx, ny } = fieldOf(data, fillAttributes(data, attributes));
  const scale = (x[nx - 1] - x[0]) / 2 / (high - low);
  const points = Array.from(values, (value, cell) => {
    const height = Number.isNaN(value) ? 0 : (Math.min(high, Math.max(low, value)) - low) * scale;
    return [x[cell % nx], y[Math.floor(cell / nx)], height] as const;
  });
  const quads: [number, number, number, number][] = [];
  for (let j = 0; j < ny - 1; j++) {
    for (let i = 0; i < nx - 1; i++) {
      const at = j * nx + i;
      const quad: [number, number, number, number] = [at, at + 1, at + nx + 1, at + nx];
      if (!quad.some((k) => Number.isNaN(values[k]))) quads.push(quad);
    }
  }
  return { points, quads };
}
