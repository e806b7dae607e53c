/**
 * Names and lifetimes of what lies in Redis beside the queue, and the data of its jobs.
 *
 * @module
 */

/** Milliseconds that a key lives without being renewed: those of a process that was killed vanish by themselves. */
export const lease = 600_000;

/** Data of a job; a kind of job may add its own. */
export interface JobData {
  /** Beginning of the keys of the run that asks. */
  readonly base: string;
  /** Name of the question, of which this job is a part. */
  readonly question: string;
  /** Number of the part. */
  readonly part: number;
}

/** The name under which BullMQ knows a queue: it takes any character but a colon. */
export const queueName = (name: string): string => name.replaceAll('%', '%25').replaceAll(':', '%3A');

/** Beginning of the keys of a run. */
export const baseOf = (queue: string, run: string): string => `quasi-newton:${queueName(queue)}:${run}`;

/** Key of a message that all parts of a question share. */
export const messageKey = (base: string, name: string): string => `${base}:${name}`;

/** Key of the answer to a part; it holds nothing until there is one. */
export const answerKey = ({ base, question, part }: JobData): string => `${base}:${question}:${part}`;
