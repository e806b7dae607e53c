import fs, { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeLandscape, encodeLandscape, landscape } from 'quasi-newton/landscape';
import { crc32 } from '../../src/core/crc32.ts';

const problem = {
  p0: Float64Array.of(1, 2, 3),
  fg: (x: Float64Array) => x[0] ** 2 + Math.sin(x[1]) + x[2],
};
const data = landscape(problem, { npoints: 5, metrics: { 'a b': (x) => x[0] } });

/** The bytes of a landscape with another header, and the checksum that fits it. */
function withHeader(change: (header: Record<string, unknown>) => object): Uint8Array {
  const bytes = encodeLandscape(data, false);
  const view = new DataView(bytes.buffer);
  const start = 16 + view.getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(16, start)));
  const json = new TextEncoder().encode(JSON.stringify(change(header)));
  const length = 8 * Math.ceil((16 + json.length) / 8) - 16;
  const out = new Uint8Array(16 + length + bytes.length - start).fill(32);
  out.set(bytes.subarray(0, 16));
  out.set(json, 16);
  out.set(bytes.subarray(start), 16 + length);
  new DataView(out.buffer).setUint32(8, length, true);
  new DataView(out.buffer).setUint32(12, crc32(out.subarray(16)), true);
  return out;
}

describe('the checksum', () => {
  it('is CRC-32', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('finds every flipped bit', () => {
    const bytes = encodeLandscape(data);
    for (let bit = 0; bit < 8 * bytes.length; bit += 7) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expect(() => decodeLandscape(flipped), `bit ${bit}`).toThrow(TypeError);
    }
  });

  it.each([10, 17, 100])('tells bytes cut short by %d from damaged ones', (cut) => {
    const bytes = encodeLandscape(data);
    expect(() => decodeLandscape(bytes.subarray(0, -cut))).toThrow(/cut short: \d+ bytes of \d+/);
  });
});

describe('a header with a right checksum', () => {
  it.each([
    ['dimensions', 99_999_999],
    ['dimensions', -1],
    ['nx', 1e9],
    ['ny', 0.5],
    ['n', 2 ** 41],
    ['metrics', ['a', 'a']],
    ['metrics', 7],
    ['labels', ['x']],
    ['fingerprint', null],
  ])('is refused with %s %j, and takes no memory', (name, value) => {
    const before = process.memoryUsage().rss;
    expect(() => decodeLandscape(withHeader((header) => ({ ...header, [name]: value })))).toThrow(
      /header is wrong|cut short/,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(1e8);
  });

  it('is accepted as it was', () => {
    expect(decodeLandscape(withHeader((header) => header)).z).toEqual(data.z);
  });
});

describe('a checkpoint', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'files-'));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true, force: true });
  });
  const evaluate = (checkpoint: string) => landscape(problem, { npoints: 5, checkpoint });

  it('reports a missing folder and a full disk differently, and leaves no file behind', () => {
    expect(() => evaluate(join(folder, 'none', 'a'))).toThrow(/a cannot be written: there is no such folder/);
    const write = fs.writeFileSync;
    vi.spyOn(fs, 'writeFileSync').mockImplementation((path, bytes) => {
      write(path, (bytes as Uint8Array).subarray(0, 10));
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    });
    expect(() => evaluate(join(folder, 'a'))).toThrow(/checkpoint: .*a cannot be written: the disk is full/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that is a folder is named', () => {
    expect(() => evaluate(folder)).toThrow(/cannot be read; it must be a file/);
  });

  it('that is damaged is named, and left as it is', () => {
    const path = join(folder, 'a');
    evaluate(path);
    const bytes = fs.readFileSync(path);
    bytes[bytes.length - 30] ^= 4;
    writeFileSync(path, bytes);
    expect(() => evaluate(path)).toThrow(/checkpoint: .*a: its bytes are damaged: their checksum differs/);
    expect(fs.readFileSync(path)).toEqual(bytes);
  });

  it('is written under a name of its own before it takes its place', () => {
    const path = join(folder, 'a');
    const names = new Set<string>();
    const rename = fs.renameSync;
    vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
      names.add(String(from));
      expect(existsSync(from)).toBe(true);
      rename(from, to);
    });
    for (let k = 0; k < 3; k++) {
      rmSync(path, { force: true });
      evaluate(path);
    }
    expect(names.size).toBeGreaterThanOrEqual(6);
    expect(readdirSync(folder)).toEqual(['a']);
  });
});
