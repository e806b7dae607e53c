/**
 * The ends of jobs, queues and connections.
 *
 * @module
 */
import type { Queue } from 'bullmq';

/** Milliseconds granted to what is done while closing. */
export const closingTime = 3000;

/** Says what the failure of a job means. */
export function failureOf(where: string, reason: string): Error {
  if (!/stalled more than/.test(reason)) return new Error(`${where}: ${reason}`);
  return new Error(
    `${where}: one job was lost with its worker several times. Either each worker was killed (out of memory?), or an evaluation keeps its process busy for longer than stallTime, an option of the workers.`,
  );
}

/** Waits for a promise, but no longer than some milliseconds. */
export async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/** Removes all keys of a queue, unless somebody has jobs there. */
export async function removeIfIdle(queue: Queue): Promise<void> {
  const counts = await queue.getJobCounts();
  if (Object.values(counts).some((count) => count > 0)) return;
  try {
    await queue.obliterate();
  } catch {
    // Somebody has removed it meanwhile, or has put a job there: it is then still paused, as it must be before.
    if (await queue.isPaused()) await queue.resume();
  }
}
