import { fromBase64 } from "./base64.js";
import { Blocked, Cancelled, Conflict, Failed, NotImgen, Refusal, Silent, TimedOut, Unreachable } from "./errors.js";
import type { ServerEvent } from "./events.js";
import { Patience, pause } from "./pauses.js";
import { Picture } from "./picture.js";
import type { Transport, Waiting } from "./transport.js";
import { isPending, type Finished, type Meta, type Ordered, type Pending, type Status } from "./types.js";

const REOPEN_MS = 1_000;

export interface WaitOptions extends Waiting {
  /** Told of every change. */
  onProgress?: ((status: Pending) => void) | undefined;
}

/** An order that the server has accepted. It lives there: this is only its name. */
export class Job {
  readonly id: string;
  /** What `generate` answered; undefined of a job that was named by its id. */
  readonly ordered: Ordered | undefined;
  readonly #transport: Transport;
  readonly #pollMs: number;

  constructor(transport: Transport, pollMs: number, id: string, ordered?: Ordered) {
    this.#transport = transport;
    this.#pollMs = pollMs;
    this.id = id;
    this.ordered = ordered;
  }

  /** Where it stands, with fresh links. `download`: a browser saves what they lead to. */
  async status(options: Waiting & { download?: boolean } = {}): Promise<Status> {
    const body = { action: "status", id: this.id, ...(options.download ? { download: true } : {}) };
    return asStatus(await this.#transport.call(body, options));
  }

  /** Stops it. Of a finished job: Conflict. */
  async cancel(waiting?: Waiting): Promise<void> {
    try {
      await this.#transport.call({ action: "cancel", id: this.id }, waiting);
    } catch (error) {
      // The answer to an earlier attempt may have been lost.
      if (!(error instanceof Conflict) || !error.words.endsWith("CANCELLED")) throw error;
    }
  }

  /**
   * The picture. A server that is away is waited for, as jobs outlive it.
   *
   * Throws Blocked, Failed, TimedOut, Cancelled; Unreachable and the other kinds; the signal's reason. What has been
   * ordered goes on when nobody waits: `cancel` ends it.
   */
  async wait(options: WaitOptions = {}): Promise<Picture> {
    for await (const status of this.stream(options)) {
      if (!isPending(status)) return this.picture(status);
      options.onProgress?.(status);
    }
    throw new NotImgen(`job ${this.id} has no end`);
  }

  /** The picture of a finished job's status. Throws Blocked, Failed, TimedOut, Cancelled. */
  picture(status: Finished): Picture {
    if ("compliance" in status) {
      const { error, filter_categories, unsafe_url } = status;
      throw new Blocked(this.id, error, filter_categories, unsafe_url ? decoded(unsafe_url) : undefined);
    }
    if ("meta" in status) {
      return new Picture(this.#transport, status.meta, status.cache ?? false, (waiting) => this.#meta(waiting));
    }
    if (status.status === "FAILED") throw new Failed(this.id, status.error);
    if (status.status === "TIMED_OUT") throw new TimedOut(this.id, status.error);
    throw new Cancelled(this.id, "The job was cancelled");
  }

  /** Every status from now on until the last, the one of the end included. */
  async *stream(waiting: Waiting = {}): AsyncGenerator<Status> {
    const patience = new Patience(this.#transport.patienceMs);
    let lastId = "";
    for (;;) {
      let told = false;
      let reopenMs: number | undefined;
      try {
        const { events, reader } = await this.#transport.open(`/api/v2/jobs/${this.id}/events`, lastId, waiting);
        for await (const event of events) {
          const status = statusOf(event);
          if (!status) continue;
          told = true;
          patience.renew();
          lastId = reader.id;
          yield status;
          if (!isPending(status)) return;
        }
        reopenMs = reader.retryMs ?? REOPEN_MS;
      } catch (error) {
        // No events there, or no more of them: a poll tells what it is.
        if (error instanceof NotImgen || error instanceof Refusal) break;
        if (!(error instanceof Unreachable)) throw error;
        reopenMs = patience.next(undefined);
        if (reopenMs === undefined) throw error;
        waiting.onAway?.(error);
        told ||= !(error instanceof Silent);
      }
      // A stream that opened and told nothing, as one that a proxy keeps back; it is polled instead.
      if (!told && !lastId) break;
      await pause(reopenMs, waiting.signal);
    }
    yield* this.#poll(waiting);
  }

  async *#poll(waiting: Waiting): AsyncGenerator<Status> {
    for (;;) {
      const status = await this.status(waiting);
      yield status;
      if (!isPending(status)) return;
      await pause(this.#pollMs, waiting.signal);
    }
  }

  async #meta(waiting?: Waiting): Promise<Meta> {
    const status = await this.status(waiting);
    if (isPending(status)) throw new NotImgen(`job ${this.id} was finished, and is not any more`);
    return this.picture(status).meta;
  }
}

function statusOf(event: ServerEvent): Status | undefined {
  if (event.name !== "status") return undefined;
  let told: unknown;
  try {
    told = JSON.parse(event.data);
  } catch {
    throw new NotImgen("an event's data is no JSON");
  }
  return asStatus(told);
}

function asStatus(told: unknown): Status {
  if (typeof told !== "object" || told === null || typeof (told as { status?: unknown }).status !== "string") {
    throw new NotImgen("the answer has no status");
  }
  return told as Status;
}

function decoded(base64: string): string | undefined {
  try {
    return new TextDecoder().decode(fromBase64(base64));
  } catch {
    return undefined;
  }
}
