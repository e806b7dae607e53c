import { vi } from 'vitest';
import { main } from '../../bin/lib/main.js';

/** Runs a command in a folder, in this process; returns its exit code and what it printed. Words with spaces need a list. */
export async function callIn(folder: string, line: string | readonly string[]) {
  const said: Record<'out' | 'err', string[]> = { out: [], err: [] };
  const log = vi.spyOn(console, 'log').mockImplementation((text) => said.out.push(String(text)));
  const error = vi.spyOn(console, 'error').mockImplementation((text) => said.err.push(String(text)));
  const before = process.cwd();
  process.chdir(folder);
  try {
    const code = await main(typeof line === 'string' ? line.split(' ') : [...line]);
    return { code, out: said.out.join('\n'), err: said.err.join('\n') };
  } finally {
    process.chdir(before);
    log.mockRestore();
    error.mockRestore();
  }
}
