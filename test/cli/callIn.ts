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

/** The same in one folder: `call` as it is, `json` with its result, `refusal` with its message if the arguments are wrong. */
export function callerIn(folder: string) {
  const call = (line: string) => callIn(folder, line);
  const json = async (line: string) => JSON.parse((await call(`${line} --json`)).out);
  /** @throws Error if the command does not end with exit code 2, or shows a stack */
  const refusal = async (line: string): Promise<string> => {
    const { code, err } = await call(line);
    if (code !== 2 || /\n {4}at /.test(err)) throw new Error(`${line} ended with ${code}: ${err}`);
    return err;
  };
  return { call, json, refusal };
}
