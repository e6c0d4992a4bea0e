// Time: pauses that an AbortSignal ends, and how long is waited for a server that is away.

const FIRST_MS = 400;
const MOST_MS = 8_000;

/** Resolves after `ms`; rejects with the signal's reason where that comes first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Of one request that is sent again: at most `patienceMs` from its first failure on. */
export class Patience {
  readonly #patienceMs: number;
  #failures = 0;
  #since = 0;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Milliseconds until the next attempt, or undefined where it would come too late. */
  next(retryAfter: number | undefined): number | undefined {
    const now = Date.now();
    if (this.#failures === 0) this.#since = now;
    const backoff = Math.min(FIRST_MS * 2 ** this.#failures, MOST_MS);
    this.#failures += 1;
    // Spread, so that many clients do not come back at one moment; never before they were told to.
    const wait = retryAfter === undefined ? backoff * (0.5 + Math.random() / 2) : retryAfter * 1_000 + Math.random() * FIRST_MS;
    return now + wait - this.#since > this.#patienceMs ? undefined : wait;
  }

  renew(): void {
    this.#failures = 0;
  }
}

/** A signal that fires with `signal`, or when nothing happened for `ms` (until the first renewal: `firstMs`). */
export class Watch {
  silent = false;
  readonly #controller = new AbortController();
  readonly #ms: number;
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stop = (): void => this.#controller.abort(this.#outer?.reason);

  constructor(ms: number, outer?: AbortSignal, firstMs = ms) {
    this.#ms = ms;
    this.#outer = outer;
    if (outer?.aborted) this.#stop();
    outer?.addEventListener("abort", this.#stop, { once: true });
    this.#start(firstMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something happened. */
  renew(): void {
    this.#start(this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#stop);
  }

  #start(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.silent = true;
      this.#controller.abort(new Error(`nothing came for ${ms / 1_000} s`));
    }, ms);
  }
}
