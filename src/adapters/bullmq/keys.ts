/**
 * Names and lifetimes of the Redis keys in addition to those of the queue, and the data of its jobs.
 *
 * @module
 */

/** Lifetime of a key in milliseconds unless renewed, so that the keys of a killed process expire. */
export const lease = 600_000;

/** Data of a job; a kind of job may add its own. */
export interface JobData {
  /** Prefix of the keys of the run. */
  readonly base: string;
  /** Name of the question that this job is a part of. */
  readonly question: string;
  /** Number of the part. */
  readonly part: number;
}

/** Returns BullMQ's name of a queue, which may not contain a colon. */
export const queueName = (name: string): string => name.replaceAll('%', '%25').replaceAll(':', '%3A');

/** Returns the prefix of the keys of a run. */
export const baseOf = (queue: string, run: string): string => `quasi-newton:${queueName(queue)}:${run}`;

/** Returns the key of a message shared by all parts of a question. */
export const messageKey = (base: string, name: string): string => `${base}:${name}`;

/** Returns the key of the answer to a part; its value is empty until answered. */
export const answerKey = ({ base, question, part }: JobData): string => `${base}:${question}:${part}`;
