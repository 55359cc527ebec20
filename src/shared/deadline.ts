/**
 * A limit in time that ends with its scope. `AbortSignal.timeout` keeps its timer, and all that listens,
 * until the time is over, however soon the work was done: a worker that lives for months holds
 * thousands of them.
 */
export interface Deadline extends Disposable {
  /** Aborted with a `TimeoutError` once the time is over. */
  readonly signal: AbortSignal;
}

/** `using deadline = deadlineIn(ms)`; it holds no process alive. */
export function deadlineIn(ms: number): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  }, ms);
  timer.unref();
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
