import { spawnSync } from 'node:child_process';

/**
 * Returns a Python that has a module: the first `python3` on the path, or else the system's; undefined if neither has it.
 *
 * @param {string} module
 */
export const pythonWith = (module) =>
  ['python3', '/usr/bin/python3'].find(
    (command) => spawnSync(command, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0,
  );
