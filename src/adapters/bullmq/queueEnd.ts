/**
 * The ends of jobs, queues and connections.
 *
 * @module
 */
import type { Queue } from 'bullmq';

/** Time limit of the work done on closing, in milliseconds. */
export const closingTime = 3000;

/** Returns an error that explains the failure of a job. */
export function failureOf(where: string, reason: string): Error {
  if (!/stalled more than/.test(reason)) return new Error(`${where}: ${reason}`);
  return new Error(
    `${where}: one job was lost with its worker several times. Either each worker was killed (out of memory?), or an evaluation blocks its process for longer than stallTime, an option of the workers.`,
  );
}

/** Waits for a promise, at most for the given time. */
export async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/** Removes all keys of a queue, unless it has jobs. */
export async function removeIfIdle(queue: Queue): Promise<void> {
  const counts = await queue.getJobCounts();
  if (Object.values(counts).some((count) => count > 0)) return;
  try {
    await queue.obliterate();
  } catch {
    // Removed by another process, or it has a new job and is still paused by `obliterate`.
    if (await queue.isPaused()) await queue.resume();
  }
}
