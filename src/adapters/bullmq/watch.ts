import type { Link } from './connection.ts';

/** Reports an end from outside: an aborted signal, or a lost connection. */
export interface Watch {
  /** Aborted with the reason of the end. */
  readonly ended: AbortSignal;
  /** Settles like the promise, or rejects with the reason of an earlier end. */
  orEnd<Value>(promise: Promise<Value>): Promise<Value>;
  /** Ends with a reason; only the first counts. */
  end(reason: unknown): void;
  /** Stops watching. */
  stop(): void;
}

/**
 * Watches a connection and a signal.
 *
 * @param reconnectTime - seconds after which a broken connection counts as lost
 */
export function watch(
  where: string,
  { redis, address }: Link,
  reconnectTime: number,
  signal: AbortSignal | undefined,
): Watch {
  const controller = new AbortController();
  const ended = controller.signal;
  let timer: NodeJS.Timeout | undefined;
  let last: Error | undefined;
  const lost = (given: string) => {
    const reason = last === undefined ? '' : ` (${last.message || String(last)})`;
    const text = `${where}: no connection to Redis at ${address} ${given}${reason}. Is a server running there, and does it accept this client?`;
    controller.abort(new Error(text, { cause: last }));
  };
  const onError = (error: Error) => {
    last = error;
  };
  const onClose = () => {
    if (reconnectTime < Infinity) {
      const advice = `for ${reconnectTime} s (reconnectTime)`;
      timer ??= setTimeout(lost, Math.min(1000 * reconnectTime, 2 ** 31 - 1), advice);
    }
  };
  const onReady = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const onEnd = () => lost('and no attempt to reconnect is left');
  const onAbort = () => controller.abort(signal?.reason);

  redis.on('error', onError).on('close', onClose).on('ready', onReady).on('end', onEnd);
  if (redis.status !== 'ready') onClose();
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  return {
    ended,
    orEnd: (promise) =>
      new Promise((resolve, reject) => {
        const onEnded = () => reject(ended.reason);
        if (ended.aborted) onEnded();
        ended.addEventListener('abort', onEnded);
        promise.then(resolve, reject).finally(() => ended.removeEventListener('abort', onEnded));
      }),
    end: (reason) => controller.abort(reason),
    stop() {
      clearTimeout(timer);
      redis.off('error', onError).off('close', onClose).off('ready', onReady).off('end', onEnd);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
