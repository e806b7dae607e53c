import { nodeModule } from './node.ts';

/**
 * Writes a file completely or not at all: into a temporary file next to it, which then replaces it. Each write has its own
 * temporary name, so several writers do not disturb each other; the last one wins.
 *
 * @param feature - the feature that writes, for messages
 * @throws Error that names the reason: no such folder, disk full, no permission; no temporary file remains
 */
export function writeWholeFile(feature: string, path: string, bytes: Uint8Array): void {
  const fs = nodeModule('node:fs', feature);
  const temporary = `${path}.${process.pid}-${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    fs.writeFileSync(temporary, bytes);
    fs.renameSync(temporary, path);
  } catch (cause) {
    fs.rmSync(temporary, { force: true });
    throw new Error(`${feature}: ${path} cannot be written: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder. Create it first.',
  ENOTDIR: 'a part of its path is a file, not a folder.',
  ENOSPC: 'the disk is full. Free some space; points evaluated since the last version of the file are lost.',
  EDQUOT: 'the disk quota of this user is exhausted.',
  EACCES: 'this user may not write there.',
  EPERM: 'this user may not write there.',
  EROFS: 'its file system is read-only.',
  EISDIR: 'it is a folder. Give the path of a file.',
};
