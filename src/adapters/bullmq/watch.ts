import type { Link } from './connection.ts';

/** An end that comes from outside: an aborted signal, or a connection that stays lost. */
export interface Watch {
  /** Aborted with the reason once it has come. */
  readonly ended: AbortSignal;
  /** The promise's outcome, or the reason of the end if that comes first. */
  orEnd<Value>(promise: Promise<Value>): Promise<Value>;
  /** Ends by hand; the first reason counts. */
  end(reason: unknown): void;
  /** Stops watching. */
  stop(): void;
}

/**
 * Watches a connection and a signal.
 *
 * @param reconnectTime - seconds without a connection after which it counts as lost
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
    const text = `${where}: no connection to Redis at ${address} ${given}${reason}. Is a server running there that lets this client in?`;
    controller.abort(new Error(text, { cause: last }));
  };
  const onError = (error: Error) => {
    last = error;
  };
  const onClose = () => {
    if (reconnectTime < Infinity) {
      const advice = `for ${reconnectTime} s, which reconnectTime allows`;
      timer ??= setTimeout(lost, Math.min(1000 * reconnectTime, 2 ** 31 - 1), advice);
    }
  };
  const onReady = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const onEnd = () => lost('any more, and no attempt to reconnect is left');
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
