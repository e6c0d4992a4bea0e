// One server over HTTP: what is sent again when no answer came, and what its refusals mean.

import { bytesOf, pieces } from "./body.js";
import { ImgenError, NotImgen, refusal, Refusal, Silent, Unreachable } from "./errors.js";
import { EventReader, type ServerEvent } from "./events.js";
import { Patience, pause, Watch } from "./pauses.js";

const MAX_ANSWER_BYTES = 16 << 20;
const MAX_PICTURE_BYTES = 128 << 20;
const MAX_STREAM_BYTES = 64 << 20;
const FIRST_EVENT_MS = 10_000; // it is sent as soon as a stream opens

export interface Waiting {
  /** Ends the request with its reason. */
  signal?: AbortSignal | undefined;
  /** Told each time that it will be asked again. */
  onAway?: ((error: ImgenError) => void) | undefined;
}

export interface Opened {
  events: AsyncGenerator<ServerEvent>;
  reader: EventReader;
}

export class Transport {
  readonly url: string;
  readonly patienceMs: number;
  readonly #key: string | undefined;
  readonly #timeoutMs: number;
  readonly #silenceMs: number;
  readonly #fetch: typeof fetch;

  constructor(url: string, key: string | undefined, timeoutMs: number, silenceMs: number, patienceMs: number, fetcher: typeof fetch) {
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#silenceMs = silenceMs;
    this.patienceMs = patienceMs;
    this.#fetch = fetcher;
  }

  /** The answer of an action. */
  async call(body: Readonly<Record<string, unknown>>, waiting?: Waiting): Promise<unknown> {
    const headers = this.#signed({ "Content-Type": "application/json" });
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    return this.#patiently(async () => {
      const data = await this.#fetched(`${this.url}/api/v2`, request, MAX_ANSWER_BYTES, waiting?.signal);
      return parsed(data) ?? fail(new NotImgen(`${this.url} answers, but not as an imgen server does`));
    }, waiting);
  }

  /** A picture by its signed link. The key is not sent: the link may lead to another host. */
  async download(link: string, waiting?: Waiting): Promise<Uint8Array<ArrayBuffer>> {
    const url = new URL(link, `${this.url}/`).href;
    return this.#patiently(() => this.#fetched(url, {}, MAX_PICTURE_BYTES, waiting?.signal), waiting);
  }

  /** A stream of events, from the one after `lastId` on. Its silence ends it with Unreachable. */
  async open(path: string, lastId: string, waiting: Waiting): Promise<Opened> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastId) headers["Last-Event-ID"] = lastId;
    const reader = new EventReader();
    const watch = new Watch(this.#silenceMs, waiting.signal, lastId ? this.#silenceMs : Math.min(this.#silenceMs, FIRST_EVENT_MS));
    try {
      const response = await this.#answered(`${this.url}${path}`, { headers: this.#signed(headers) }, watch, waiting.signal);
      if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        await response.body?.cancel();
        throw new NotImgen(`${this.url}${path} is no stream of events`);
      }
      return { events: this.#read(response, reader, watch, waiting.signal), reader };
    } catch (error) {
      watch.end();
      throw error;
    }
  }

  async *#read(response: Response, reader: EventReader, watch: Watch, outer?: AbortSignal): AsyncGenerator<ServerEvent> {
    try {
      for await (const piece of pieces(response, MAX_STREAM_BYTES)) {
        watch.renew();
        yield* reader.read(piece);
      }
    } catch (error) {
      throw outer?.aborted ? outer.reason : this.#unreachable(error, watch);
    } finally {
      watch.end();
    }
  }

  async #patiently<T>(ask: () => Promise<T>, waiting: Waiting = {}): Promise<T> {
    const patience = new Patience(this.patienceMs);
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof ImgenError) || !error.transient) throw error;
        const wait = patience.next(error instanceof Refusal ? error.retryAfter : undefined);
        if (wait === undefined) throw error;
        waiting.onAway?.(error);
        await pause(wait, waiting.signal);
      }
    }
  }

  async #fetched(url: string, request: RequestInit, most: number, outer?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const watch = new Watch(this.#timeoutMs, outer);
    try {
      const response = await this.#answered(url, request, watch, outer);
      return await bytesOf(response, most);
    } catch (error) {
      if (outer?.aborted) throw outer.reason;
      throw error instanceof ImgenError ? error : this.#unreachable(error, watch);
    } finally {
      watch.end();
    }
  }

  /** An answer of status 200, whose body is still to come. */
  async #answered(url: string, request: RequestInit, watch: Watch, outer?: AbortSignal): Promise<Response> {
    const sent: RequestInit = { ...request, signal: watch.signal, cache: "no-store", credentials: "omit", redirect: "follow" };
    let response: Response;
    try {
      response = await this.#fetch(url, sent);
    } catch (error) {
      throw outer?.aborted ? outer.reason : this.#unreachable(error, watch);
    }
    if (response.ok) return response;
    throw await read(response);
  }

  #signed(headers: Record<string, string>): Record<string, string> {
    return this.#key ? { ...headers, Authorization: `Bearer ${this.#key}` } : headers;
  }

  #unreachable(error: unknown, watch: Watch): Unreachable {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const words = cause instanceof Error ? cause.message || cause.name : String(cause);
    return new (watch.silent ? Silent : Unreachable)(`${this.url} does not answer: ${words}`, { cause: error });
  }
}

async function read(response: Response): Promise<Refusal> {
  const told = parsed(await bytesOf(response, 65_536).catch(() => new Uint8Array()));
  return refusal({
    status: response.status,
    words: typeof told?.["error"] === "string" ? told["error"] : `HTTP ${response.status}`,
    detail: typeof told?.["detail"] === "string" ? told["detail"] : "",
    requestId: response.headers.get("X-Request-ID") ?? "",
    retryAfter: seconds(response.headers.get("Retry-After")),
  });
}

/** Of `Retry-After`, which is a number or a date. */
function seconds(header: string | null): number | undefined {
  if (header === null) return undefined;
  const value = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isNaN(value) ? undefined : Math.max(value, 0);
}

function parsed(data: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function fail(error: Error): never {
  throw error;
}
