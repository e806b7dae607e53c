import * as ort from 'onnxruntime-node';

/** ONNX Runtime whose sessions are counted, and fail when told to. */
export function faultyRuntime() {
  const counts = { open: 0, created: 0, runs: 0 };
  let [createFails, runFails, failure]: [number, number, unknown] = [Infinity, Infinity, null];
  const create = async (...args: Parameters<typeof ort.InferenceSession.create>) => {
    if (++counts.created === createFails) throw failure;
    const session = await ort.InferenceSession.create(...args);
    counts.open++;
    return new Proxy(session, {
      get(target, name) {
        if (name === 'run') {
          return async (...inputs: Parameters<typeof session.run>) => {
            if (++counts.runs === runFails) throw failure;
            return target.run(...inputs);
          };
        }
        if (name === 'release') {
          return async () => {
            counts.open--;
            return target.release();
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return {
    runtime: { ...ort, InferenceSession: { create } } as unknown as typeof ort,
    counts,
    /** Makes the run of this number from now on throw. */
    failRun: (number: number, error: unknown): void => {
      [runFails, failure] = [counts.runs + number, error];
    },
    /** Makes the opening of the session of this number from now on throw. */
    failCreate: (number: number, error: unknown): void => {
      [createFails, failure] = [counts.created + number, error];
    },
  };
}
