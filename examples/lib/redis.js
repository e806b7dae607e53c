import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** True if redis-server is installed. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/**
 * Starts a Redis server on a free loopback port; it ends with this process at the latest.
 *
 * @param {{ persist?: boolean, args?: readonly string[] }} [options] - with `persist`, its data survive `kill`
 */
export async function startRedis({ persist = false, args = [] } = {}) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const options = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  if (persist) options.push('--appendonly', 'yes');
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let server;
  const killNow = () => server?.kill('SIGKILL');
  process.once('exit', killNow);
  const start = async () => {
    server = spawn('redis-server', [...options, ...args], { stdio: 'ignore' });
    await accepts(port);
  };
  const kill = async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    killNow();
    await ended;
  };
  await start();
  return {
    /** Address of the server. */
    connection: `redis://127.0.0.1:${port}`,
    /** Kills the process at once. */
    kill,
    /** Starts another process on the same port and in the same folder. */
    start,
    /** Stops the server, and removes its folder. */
    async stop() {
      await kill();
      process.off('exit', killNow);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/**
 * Waits until a server listens on a port.
 *
 * @param {number} port
 */
async function accepts(port) {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    } finally {
      socket.destroy();
    }
  }
}
