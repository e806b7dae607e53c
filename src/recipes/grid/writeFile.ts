import { nodeModule } from './node.ts';

/**
 * Writes a file as a whole or not at all: into a temporary file beside it, which then takes its place. Each write has its
 * own temporary name, so that several writers do not disturb each other; the last wins.
 *
 * @param feature - the feature that writes, for messages
 * @throws Error that says what is wrong: no such folder, disk full, no permission; nothing is left behind
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
  ENOENT: 'there is no such folder. Make it first.',
  ENOTDIR: 'a part of its path is a file, not a folder.',
  ENOSPC:
    'the disk is full. Free some space; what was evaluated so far is lost unless an earlier version is there.',
  EDQUOT: 'the quota of this user is used up.',
  EACCES: 'this user may not write there.',
  EPERM: 'this user may not write there.',
  EROFS: 'its file system is read-only.',
  EISDIR: 'it is a folder. Give the path of a file.',
};
